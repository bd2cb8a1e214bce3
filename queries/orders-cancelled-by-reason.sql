-- orders-cancelled-by-reason
-- Why orders were cancelled.
-- group: orders
-- since = 7d: how far back
select cancel_reason, decline_reason, count(*) as orders, round(sum(total_minor) / 100.0, 2) as amount,
       max(updated_at) as last
  from orders where status = 'CANCELLED' and updated_at >= :since
 group by cancel_reason, decline_reason order by orders desc, cancel_reason, decline_reason
