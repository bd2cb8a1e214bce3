-- notifications-recent
-- The newest messages: who got what.
-- group: notifications
-- n = 20: how many
select message_id, order_id, channel, recipient, subject, status, attempts, created_at, updated_at
  from notifications order by created_at desc, message_id desc limit :n
