-- orders-stuck
-- Orders that should have ended by now, the oldest first.
-- group: orders
-- older = 15m: how old they are at least
select order_id, user_id, status, round({{seconds(created_at, :now)}}) as age_s,
       round({{seconds(updated_at, :now)}}) as in_state_s, deadline, total_amount, created_at
  from orders where status in ('PENDING', 'PAID') and created_at <= :older
 order by created_at, order_id
