-- notifications-unanswered
-- Messages that may have arrived twice: attempts whose answer never came.
-- group: notifications
select message_id, order_id, channel, recipient, status, attempts, unanswered, updated_at
  from notifications where unanswered > 0 order by unanswered desc, message_id
