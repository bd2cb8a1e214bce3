-- processed-per-minute
-- Events that took effect, per minute and consumer.
-- group: delivery
-- since = 1h: how far back
select {{minute(processed_at)}} as minute, consumer, count(*) as events
  from processed_events where processed_at >= :since group by 1, 2 order by 1 desc, 2
