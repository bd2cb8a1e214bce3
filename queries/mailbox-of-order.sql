-- mailbox-of-order
-- The messages about one order, as they were written.
-- group: notifications
-- order = : its id
select message_id, channel, recipient, subject, body, status, attempts, created_at, updated_at
  from notifications where order_id = :order order by created_at, message_id
