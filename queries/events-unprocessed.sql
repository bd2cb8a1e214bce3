-- events-unprocessed
-- Events that were sent and that nobody has taken effect of, of topics that somebody reads.
-- group: delivery
-- older = 1m: how long ago they were sent, at least
-- since = 24h: how far back
select e.seq, e.event_type, e.record_key, e.order_id, e.published_at, e.id as event_id
  from outbox_events e
  left join (select distinct event_id from processed_events) as done on done.event_id = e.id
 where e.published = 'Y' and e.published_at <= :older and e.created_at >= :since and done.event_id is null
   and e.event_type in (select distinct event_type from processed_events)
 order by e.seq
