-- stock-depleted
-- Products that are sold out, and since when.
-- group: inventory
select p.product_id, p.name, p.listed, max(r.created_at) as last_sold_at, p.updated_at
  from products p left join stock_reservations r on r.product_id = p.product_id
 where p.stock = 0 group by p.product_id, p.name, p.listed, p.updated_at order by p.product_id
