-- orders-largest
-- The orders that are worth most.
-- group: orders
-- since = 30d: how far back
-- n = 20: how many
select order_id, user_id, status, total_amount, created_at
  from orders where created_at >= :since order by total_minor desc, order_id limit :n
