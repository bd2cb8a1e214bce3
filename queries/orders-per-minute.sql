-- orders-per-minute
-- Orders made per minute, and how many of them have ended.
-- group: orders
-- since = 1h: how far back
select {{minute(created_at)}} as minute, count(*) as orders,
       sum(case when status in ('FULFILLED', 'CANCELLED') then 1 else 0 end) as ended
  from orders where created_at >= :since group by 1 order by 1 desc
