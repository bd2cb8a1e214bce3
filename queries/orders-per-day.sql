-- orders-per-day
-- Orders per day (UTC): made, fulfilled, cancelled.
-- group: orders
-- since = 30d: how far back
select {{day(created_at)}} as day, count(*) as orders,
       sum(case when status = 'FULFILLED' then 1 else 0 end) as fulfilled,
       sum(case when status = 'CANCELLED' then 1 else 0 end) as cancelled,
       count(distinct user_id) as users
  from orders where created_at >= :since group by 1 order by 1 desc
