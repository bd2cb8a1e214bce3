-- Replays can be cancelled, and what changed in the ledger of dead letters is found without reading all of it.

create table replay_jobs_anew (
  job_id     text not null primary key,
  state      text not null check (state in ('running', 'done', 'partial', 'failed', 'cancelled')),
  plan       text not null,              -- JSON: what was asked for
  outcome    text not null,              -- JSON: counts
  actor      text not null,
  created_at text not null,
  updated_at text not null
) without rowid;
insert into replay_jobs_anew select job_id, state, plan, outcome, actor, created_at, updated_at from replay_jobs;
drop table replay_jobs;
alter table replay_jobs_anew rename to replay_jobs;

create index dlq_entries_changed on dlq_entries (updated_at, entry_id);
create index dlq_entries_of_job on dlq_entries (job_id) where job_id is not null;
create index dlq_audit_of_entry on dlq_audit (entry_id);
