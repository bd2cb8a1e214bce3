-- process-gaps
-- Times in which a process counted as gone: what it did around them may have been done twice.
-- group: operations
-- n = 50: how many
select gone_since, back_at, {{seconds(gone_since, back_at)}} as gone_s
  from process_gaps order by gone_since desc, back_at desc limit :n
