-- health
-- What an operator looks at first: everything that should be zero, or nearly.
-- group: operations
-- older = 15m: from which age on an order is stuck
select 'events not sent' as what, count(*) as how_many, min(created_at) as oldest
  from outbox_events where published = 'N'
union all select 'orders stuck', count(*), min(created_at)
  from orders where status in ('PENDING', 'PAID') and created_at <= :older
union all select 'orders past their deadline', count(*), min(deadline) from orders where deadline < :now
union all select 'payments without a clear outcome', count(*), min(created_at)
  from payments where attempts > 0 and status in ('PENDING', 'REFUND_DUE')
union all select 'refunds that a person must make', count(*), min(updated_at)
  from payments where status = 'REFUND_FAILED'
union all select 'messages not sent', count(*), min(created_at) from notifications where status = 'PENDING'
union all select 'messages refused', count(*), min(updated_at) from notifications where status = 'FAILED'
union all select 'products sold out', count(*), min(updated_at) from products where stock = 0 and listed
union all select 'dead letters that failed again', count(*), min(updated_at)
  from dlq_entries where state in ('refailed', 'parked')
order by 1
