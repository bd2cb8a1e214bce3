-- products-never-sold
-- Products that are offered, are there, and that nobody has bought.
-- group: analytics
select p.product_id, p.name, p.price, p.stock, p.created_at
  from products p
  left join (select distinct product_id from stock_reservations where released_at is null) as sold
    on sold.product_id = p.product_id
 where p.listed and p.stock > 0 and sold.product_id is null
 order by p.created_at, p.product_id
