-- processed-events-recent
-- The events that took effect last.
-- group: delivery
-- n = 20: how many
select processed_at, consumer, event_type, event_id
  from processed_events order by processed_at desc, consumer, event_id limit :n
