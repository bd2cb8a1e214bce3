-- products-top-selling
-- The products that sell best.
-- group: analytics
-- since = 30d: how far back
-- n = 20: how many
select r.product_id, p.name, sum(r.quantity) as total_units, count(*) as orders,
       round(sum(r.quantity * p.price_minor) / 100.0, 2) as at_todays_price, p.stock
  from stock_reservations r join products p on p.product_id = r.product_id
 where r.released_at is null and r.created_at >= :since
 group by r.product_id, p.name, p.stock order by total_units desc, r.product_id limit :n
