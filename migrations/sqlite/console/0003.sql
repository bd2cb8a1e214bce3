-- Letters are counted by the minute in which they were given up, so that it can be seen how they came.
drop table dlq_groups;
create table dlq_groups (
  topic          text not null,
  original_topic text not null,
  event_type     text not null,
  service        text not null,
  error_code     text not null,
  minute         integer not null, -- since the epoch
  letters        integer not null,
  first_at       integer not null,
  last_at        integer not null,
  primary key (topic, original_topic, event_type, service, error_code, minute)
) without rowid;
insert into dlq_groups (topic, original_topic, event_type, service, error_code, minute, letters, first_at, last_at)
select topic, original_topic, event_type, service, error_code, failed_at / 60000, count(*), min(failed_at), max(failed_at)
from dlq_letters group by topic, original_topic, event_type, service, error_code, failed_at / 60000;
