-- What the console remembers of a cluster: an index of its dead letters, which a scan makes anew if it is lost; and,
-- where there is no shop's store to keep it in, the ledger of what was done about them.

-- Up to where each partition was read, and where it began then.
create table dlq_scanned (
  topic     text not null,
  partition integer not null,
  first     integer not null,
  next      integer not null,
  primary key (topic, partition)
) without rowid;

create table dlq_letters (
  topic              text not null, -- the dead letters' own
  partition          integer not null,
  offset             integer not null,
  failed_at          integer not null, -- ms since the epoch
  family             text not null,
  service            text not null,
  consumer           text not null, -- the group that gave up
  original_topic     text not null,
  original_partition integer,
  event_id           text not null,
  event_type         text not null,
  record_key         blob,
  error_code         text not null,
  error_reason       text not null,
  retry_count        integer not null,
  replays            integer not null,
  replay_of          text,
  state              text not null default 'open',
  primary key (topic, partition, offset)
) without rowid;
create index dlq_letters_by_time on dlq_letters (failed_at);
create index dlq_letters_replayed on dlq_letters (replay_of) where replay_of is not null;
create index dlq_letters_touched on dlq_letters (state) where state <> 'open';

-- All letters, counted.
create table dlq_groups (
  topic          text not null,
  original_topic text not null,
  event_type     text not null,
  service        text not null,
  error_code     text not null,
  letters        integer not null,
  first_at       integer not null,
  last_at        integer not null,
  primary key (topic, original_topic, event_type, service, error_code)
) without rowid;

-- Up to when what the ledger says was taken over.
create table dlq_synced (
  one       integer primary key check (one = 1),
  synced_at text not null
);

create table dlq_entries (
  entry_id   text not null unique, -- topic/partition/offset
  state      text not null check (state in ('open', 'replaying', 'resolved', 'refailed', 'discarded', 'parked')),
  event_id   text,
  job_id     text,
  updated_at text not null
);
create index dlq_entries_changed on dlq_entries (updated_at);
create index dlq_entries_of_job on dlq_entries (job_id) where job_id is not null;

create table dlq_audit (
  seq      integer primary key,
  at       text not null,
  actor    text not null,
  action   text not null,
  entry_id text,
  job_id   text,
  detail   text not null
);
create index dlq_audit_of_entry on dlq_audit (entry_id);

create table replay_jobs (
  job_id     text not null unique,
  state      text not null check (state in ('running', 'done', 'partial', 'failed', 'cancelled')),
  plan       text not null,
  outcome    text not null,
  actor      text not null,
  created_at text not null,
  updated_at text not null
);
