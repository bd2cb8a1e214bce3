-- carts-conversion
-- Of those who filled a cart lately, how many checked out: carts still open against checkouts.
-- group: carts
-- since = 24h: how far back
with open_carts as (
  select count(*) as n from carts where cart_id is not null and updated_at >= :since
), done as (
  select count(*) as n from checkouts where created_at >= :since
)
select done.n as checkouts, open_carts.n as still_open,
       case when done.n + open_carts.n > 0 then round(100.0 * done.n / (done.n + open_carts.n), 1) end
         as converted_percent
  from done cross join open_carts
