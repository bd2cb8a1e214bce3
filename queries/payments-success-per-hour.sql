-- payments-success-per-hour
-- Of the payments that were decided in each hour, how many succeeded.
-- group: payments
-- since = 24h: how far back
select {{hour(created_at)}} as hour, count(*) as decided,
       sum(case when status = 'FAILED' then 0 else 1 end) as taken,
       round(100.0 * sum(case when status = 'FAILED' then 0 else 1 end) / count(*), 1) as taken_percent
  from payments where status not in ('PENDING', 'CANCELLED') and created_at >= :since
 group by 1 order by 1 desc
