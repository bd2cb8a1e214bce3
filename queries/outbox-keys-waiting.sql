-- outbox-keys-waiting
-- Keys with events that are not sent: a key with many of them may be held back by its first.
-- group: delivery
-- n = 20: how many
select record_key, count(*) as unsent, min(seq) as first_seq, min(event_type) as event_type, min(created_at) as oldest
  from outbox_events where published = 'N' group by record_key order by unsent desc, record_key limit :n
