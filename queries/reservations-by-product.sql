-- reservations-by-product
-- Units reserved and given back, by product.
-- group: inventory
-- since = 30d: how far back
select product_id, count(*) as reservations, sum(quantity) as units,
       sum(case when released_at is null then 0 else quantity end) as given_back
  from stock_reservations where created_at >= :since group by product_id order by units desc, product_id
