-- orders-by-state-per-hour
-- Orders by the hour in which they were made and the state they are in now.
-- group: orders
-- since = 24h: how far back
select {{hour(created_at)}} as hour, status, count(*) as orders
  from orders where created_at >= :since group by 1, 2 order by 1 desc, 2
