-- revenue-per-minute
-- Revenue in windows of a minute: orders that were paid for, by when they were made.
-- group: analytics
-- since = 1h: how far back
select {{minute(created_at)}} as window_start, count(*) as total_orders,
       round(sum(total_minor) / 100.0, 2) as total_revenue, round(avg(total_minor) / 100.0, 2) as avg_order_value
  from orders where status in ('PAID', 'FULFILLED') and created_at >= :since group by 1 order by 1 desc
