-- Replays can be cancelled, and what changed in the ledger of dead letters is found without reading all of it.

alter table replay_jobs drop constraint replay_jobs_state_check;
alter table replay_jobs add constraint replay_jobs_state_check
  check (state in ('running', 'done', 'partial', 'failed', 'cancelled'));

create index dlq_entries_changed on dlq_entries (updated_at, entry_id);
create index dlq_entries_of_job on dlq_entries (job_id) where job_id is not null;
create index dlq_audit_of_entry on dlq_audit (entry_id);
