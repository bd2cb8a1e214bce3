-- payments-due
-- Payments for which the provider still has to be asked, and when that is next.
-- group: payments
select payment_id, order_id, status, attempts, next_attempt_at,
       round({{seconds(next_attempt_at, :now)}}) as late_s, owner, hold_expires_at
  from payments where next_attempt_at is not null order by next_attempt_at, order_id
