-- events-of-order
-- Every event that tells of one order, in the order of writing, and who has taken effect of it.
-- group: delivery
-- order = : its id
select e.seq, e.service, e.event_type, e.created_at, e.published_at,
       (select count(*) from processed_events p where p.event_id = e.id) as consumers, e.id as event_id
  from outbox_events e where e.order_id = :order order by e.seq
