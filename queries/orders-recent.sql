-- orders-recent
-- The newest orders.
-- group: orders
-- n = 20: how many
select order_id, user_id, status, total_amount, created_at, updated_at
  from orders order by created_at desc, order_id desc limit :n
