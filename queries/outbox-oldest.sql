-- outbox-oldest
-- The events that have waited longest to be sent.
-- group: delivery
-- n = 20: how many
select seq, service, event_type, record_key, order_id, created_at,
       round({{seconds(created_at, :now)}}) as age_s
  from outbox_events where published = 'N' order by seq limit :n
