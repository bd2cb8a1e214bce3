-- notifications-failed
-- Messages that were refused for good, and why.
-- group: notifications
-- since = 30d: how far back
select reason, channel, count(*) as messages, max(updated_at) as last
  from notifications where status = 'FAILED' and updated_at >= :since
 group by reason, channel order by messages desc, reason, channel
