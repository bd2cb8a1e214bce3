-- orders-settle-latency
-- How long orders took from being made to their end: percentiles in seconds, by how they ended.
-- group: orders
-- since = 24h: how far back
with took as (
  select h.status, {{seconds(o.created_at, h.at)}} as s
    from orders o join order_status_history h on h.order_id = o.order_id
   where h.status in ('FULFILLED', 'CANCELLED') and o.created_at >= :since
), ranked as (
  select status, s, row_number() over (partition by status order by s) as r,
         count(*) over (partition by status) as n from took
)
select status, max(n) as orders,
       min(case when r * 100 >= n * 50 then s end) as p50_s,
       min(case when r * 100 >= n * 90 then s end) as p90_s,
       min(case when r * 100 >= n * 99 then s end) as p99_s,
       max(s) as max_s
  from ranked group by status order by status
