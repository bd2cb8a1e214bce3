-- idempotency-keys
-- Answers that are kept to be repeated, and until when.
-- group: delivery
select service, status, count(*) as answers, min(created_at) as oldest, max(expires_at) as last_expires_at
  from idempotency_keys group by service, status order by service, status
