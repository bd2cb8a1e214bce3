-- revenue-per-day
-- Revenue per day (UTC), and what was lost by cancellations.
-- group: analytics
-- since = 30d: how far back
select {{day(created_at)}} as day, sum(case when status in ('PAID', 'FULFILLED') then 1 else 0 end) as paid_orders,
       round(sum(case when status in ('PAID', 'FULFILLED') then total_minor else 0 end) / 100.0, 2) as revenue,
       round(sum(case when status = 'CANCELLED' then total_minor else 0 end) / 100.0, 2) as cancelled
  from orders where created_at >= :since group by 1 order by 1 desc
