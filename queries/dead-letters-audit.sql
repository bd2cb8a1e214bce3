-- dead-letters-audit
-- Who did what to dead letters, the newest first.
-- group: dead letters
-- n = 50: how many
select at, actor, action, entry_id, job_id, detail from dlq_audit order by seq desc limit :n
