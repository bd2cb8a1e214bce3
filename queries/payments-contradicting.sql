-- payments-contradicting
-- Payments that do not fit their orders: money taken for nothing, goods given for nothing, another amount.
-- group: payments
-- older = 5m: since when neither has changed, at least
select o.order_id, o.status as order_status, p.status as payment_status, o.total_amount, p.amount,
       o.updated_at, p.updated_at as payment_updated_at
  from orders o join payments p on p.order_id = o.order_id
 where o.updated_at <= :older and p.updated_at <= :older
   and (o.total_minor <> p.amount_minor
        or o.status in ('PAID', 'FULFILLED') and p.status <> 'SUCCEEDED'
        or o.status = 'CANCELLED' and p.status in ('SUCCEEDED', 'PENDING'))
 order by o.updated_at, o.order_id
