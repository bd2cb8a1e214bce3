-- orders-overdue
-- Orders whose deadline has passed without them being cancelled: a sweeper is late, or gone.
-- group: orders
select order_id, status, deadline, round({{seconds(deadline, :now)}}) as late_s, created_at
  from orders where deadline is not null and deadline < :now order by deadline, order_id
