-- What may have been done twice: by processes that were taken for gone, and by asking again where no answer came.

-- From when on a process counted as gone, and when it noted that it was back; twice the same of one that ended.
create table process_gaps (
  gone_since timestamptz not null,
  back_at    timestamptz not null
);

-- Attempts whose answer never came, each of which may have been taken.
alter table notifications add column unanswered bigint not null default 0;
