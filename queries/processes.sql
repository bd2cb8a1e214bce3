-- processes
-- The processes that work on these tables now, and on which part; none where it is one alone.
-- group: operations
select instance, part, alive_until, case when alive_until > :now then 'yes' else 'no' end as alive
  from members order by instance, part
