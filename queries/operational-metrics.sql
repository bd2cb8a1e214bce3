-- operational-metrics
-- Events per topic and minute.
-- group: analytics
-- since = 1h: how far back
select 'events_per_minute' as metric_name, count(*) as value, event_type as topic,
       {{minute(created_at)}} as window_start
  from outbox_events where created_at >= :since group by event_type, 4 order by window_start desc, topic
