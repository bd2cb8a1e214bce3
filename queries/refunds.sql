-- refunds
-- Money that is being given back, was given back, or could not be.
-- group: payments
-- since = 30d: how far back
select payment_id, order_id, user_id, status, amount, reason, attempts, next_attempt_at, updated_at
  from payments where status in ('REFUND_DUE', 'REFUNDED', 'REFUND_FAILED') and updated_at >= :since
 order by updated_at desc, order_id
