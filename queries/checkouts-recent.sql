-- checkouts-recent
-- The newest checkouts, and what state their orders are in.
-- group: carts
-- n = 20: how many
select c.order_id, c.user_id, round(c.total_minor / 100.0, 2) as amount, o.status, c.hold_expires_at,
       c.deadline, c.created_at
  from checkouts c left join orders o on o.order_id = c.order_id
 order by c.created_at desc, c.order_id desc limit :n
