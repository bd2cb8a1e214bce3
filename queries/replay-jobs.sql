-- replay-jobs
-- Replays of dead letters, the newest first.
-- group: dead letters
-- n = 20: how many
select job_id, state, actor, outcome, plan, created_at, updated_at
  from replay_jobs order by created_at desc, job_id limit :n
