-- holds-by-state
-- What became of the holds of checkouts.
-- group: inventory
-- since = 7d: how far back
select state, count(*) as holds, min(created_at) as oldest, max(updated_at) as last_change
  from stock_holds where created_at >= :since group by state order by state
