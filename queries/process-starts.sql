-- process-starts
-- When processes began and ended; a start without an end is one that runs, or one that crashed.
-- group: operations
-- n = 20: how many
select started_at, ended_at, {{seconds(started_at, ended_at)}} as ran_s
  from process_starts order by started_at desc limit :n
