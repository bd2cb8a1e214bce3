-- products-unlisted
-- Products that are not offered any more, and the units of them that are still there.
-- group: catalogue
select c.product_id, c.seller_id, c.name, p.stock, c.updated_at
  from catalog_products c left join products p on p.product_id = c.product_id
 where not c.listed order by p.stock desc nulls last, c.product_id
