-- orders-by-state
-- How many orders are in each state, what they are worth, and how old the oldest is.
-- group: orders
select status, count(*) as orders, round(sum(total_minor) / 100.0, 2) as amount,
       min(created_at) as oldest, max(updated_at) as last_change
  from orders group by status order by status
