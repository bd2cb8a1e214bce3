-- orders-of-user
-- A user's orders, the newest first.
-- group: orders
-- user = : whose
select order_id, status, total_amount, cancel_reason, decline_reason, created_at, updated_at
  from orders where user_id = :user order by created_at desc, order_id desc
