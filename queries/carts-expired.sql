-- carts-expired
-- Carts past their time to live that the sweeper has not taken yet.
-- group: carts
select count(*) as carts, min(expires_at) as oldest, max(expires_at) as newest
  from carts where expires_at <= :now
