-- notifications-due
-- Messages that still have to be sent, and when that is tried next.
-- group: notifications
select message_id, order_id, channel, recipient, attempts, reason, next_attempt_at,
       round({{seconds(next_attempt_at, :now)}}) as late_s, owner
  from notifications where status = 'PENDING' order by next_attempt_at, message_id
