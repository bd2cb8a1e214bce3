-- notifications-by-state
-- Messages by channel and state.
-- group: notifications
-- since = 7d: how far back
select channel, status, count(*) as messages, sum(attempts) as attempts, max(updated_at) as last_change
  from notifications where created_at >= :since group by channel, status order by channel, status
