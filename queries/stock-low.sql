-- stock-low
-- Products that are running out, the scarcest first.
-- group: inventory
-- threshold = 10: units left at most
select product_id, name, stock, price, updated_at
  from products where stock <= :threshold and listed order by stock, product_id
