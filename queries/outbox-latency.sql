-- outbox-latency
-- How long events took from being written to being sent: percentiles in seconds, by topic.
-- group: delivery
-- since = 1h: how far back
with ranked as (
  select event_type, s, row_number() over (partition by event_type order by s) as r,
         count(*) over (partition by event_type) as n
    from (select event_type, {{seconds(created_at, published_at)}} as s
            from outbox_events where published_at is not null and created_at >= :since) as took
)
select event_type, max(n) as events,
       min(case when r * 100 >= n * 50 then s end) as p50_s,
       min(case when r * 100 >= n * 99 then s end) as p99_s,
       max(s) as max_s
  from ranked group by event_type order by event_type
