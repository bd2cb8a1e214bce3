-- dead-letters-by-state
-- Dead letters that somebody has done something about, by state; see also `ecom dlq summary`.
-- group: dead letters
select state, count(*) as letters, count(job_id) as in_jobs, max(updated_at) as last_change
  from dlq_entries group by state order by state
