-- Letters know where they stood in their topic, and how large they are. They are read anew.
alter table dlq_letters add column original_offset integer;
alter table dlq_letters add column bytes integer not null default 0; -- the record's, about
delete from dlq_letters;
delete from dlq_groups;
delete from dlq_scanned;
delete from dlq_synced;

drop index dlq_entries_changed;
create index dlq_entries_changed on dlq_entries (updated_at, entry_id);
drop index dlq_entries_of_job;
create index dlq_entries_of_job on dlq_entries (job_id, state) where job_id is not null;
