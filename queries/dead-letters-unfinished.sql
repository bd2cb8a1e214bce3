-- dead-letters-unfinished
-- Dead letters that were sent back and have not ended well, or wait in a replay.
-- group: dead letters
select entry_id, state, event_id, job_id, updated_at, round({{seconds(updated_at, :now)}}) as since_s
  from dlq_entries where state in ('replaying', 'refailed', 'parked') order by updated_at, entry_id
