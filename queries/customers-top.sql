-- customers-top
-- The users who spent most.
-- group: analytics
-- since = 30d: how far back
-- n = 20: how many
select user_id, count(*) as orders, round(sum(total_minor) / 100.0, 2) as spent, max(created_at) as last_order_at
  from orders where status in ('PAID', 'FULFILLED') and created_at >= :since
 group by user_id order by spent desc, user_id limit :n
