-- payments-recent
-- The payments that changed last.
-- group: payments
-- n = 20: how many
select payment_id, order_id, user_id, amount, currency, status, reason, attempts, created_at, updated_at
  from payments order by updated_at desc, order_id desc limit :n
