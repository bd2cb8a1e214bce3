-- refunds-per-day
-- Refunds per day (UTC), and those that a person must make.
-- group: payments
-- since = 30d: how far back
select {{day(updated_at)}} as day, count(*) as refunds, round(sum(amount_minor) / 100.0, 2) as amount,
       sum(case when status = 'REFUND_DUE' then 1 else 0 end) as due,
       sum(case when status = 'REFUND_FAILED' then 1 else 0 end) as failed
  from payments where status in ('REFUND_DUE', 'REFUNDED', 'REFUND_FAILED') and updated_at >= :since
 group by 1 order by 1 desc
