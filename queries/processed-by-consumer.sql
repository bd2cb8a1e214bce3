-- processed-by-consumer
-- How many events each consumer has taken effect of, by topic; each counts once, however often it came.
-- group: delivery
-- since = 24h: how far back
select consumer, event_type, count(*) as events, max(processed_at) as last,
       round({{seconds(max(processed_at), :now)}}) as idle_s
  from processed_events where processed_at >= :since group by consumer, event_type order by consumer, event_type
