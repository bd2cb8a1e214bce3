-- notifications-latency
-- How long messages took from being asked for to being sent: percentiles in seconds.
-- group: notifications
-- since = 24h: how far back
with ranked as (
  select channel, s, row_number() over (partition by channel order by s) as r,
         count(*) over (partition by channel) as n
    from (select channel, {{seconds(created_at, updated_at)}} as s
            from notifications where status = 'SENT' and created_at >= :since) as took
)
select channel, max(n) as messages,
       min(case when r * 100 >= n * 50 then s end) as p50_s,
       min(case when r * 100 >= n * 99 then s end) as p99_s,
       max(s) as max_s
  from ranked group by channel order by channel
