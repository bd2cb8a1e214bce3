-- payments-unclear
-- Payments whose outcome the provider has not told in spite of being asked.
-- group: payments
select payment_id, order_id, status, amount, attempts, reason, next_attempt_at, created_at
  from payments where attempts > 0 and status in ('PENDING', 'REFUND_DUE')
 order by attempts desc, order_id
