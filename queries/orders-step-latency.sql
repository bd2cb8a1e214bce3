-- orders-step-latency
-- How long orders stay in a state before the next one: percentiles in seconds.
-- group: orders
-- since = 24h: how far back
with steps as (
  select status as became, at, lag(status) over (partition by order_id order by version) as was,
         lag(at) over (partition by order_id order by version) as was_at
    from order_status_history
), took as (
  select was, became, {{seconds(was_at, at)}} as s from steps where was is not null and at >= :since
), ranked as (
  select was, became, s, row_number() over (partition by was, became order by s) as r,
         count(*) over (partition by was, became) as n from took
)
select was, became, max(n) as orders,
       min(case when r * 100 >= n * 50 then s end) as p50_s,
       min(case when r * 100 >= n * 95 then s end) as p95_s,
       max(s) as max_s
  from ranked group by was, became order by was, became
