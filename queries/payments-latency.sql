-- payments-latency
-- How long payments took to be decided: percentiles in seconds.
-- group: payments
-- since = 24h: how far back
with ranked as (
  select s, row_number() over (order by s) as r, count(*) over () as n
    from (select {{seconds(p.created_at, h.at)}} as s
            from payments p join order_status_history h on h.order_id = p.order_id and h.version = 2
           where p.created_at >= :since) as took
)
select count(*) as payments,
       min(case when r * 100 >= n * 50 then s end) as p50_s,
       min(case when r * 100 >= n * 90 then s end) as p90_s,
       min(case when r * 100 >= n * 99 then s end) as p99_s,
       max(s) as max_s
  from ranked
