-- carts-abandoned-products
-- Which products are left behind in carts most.
-- group: carts
-- older = 30m: how long ago the carts were touched last, at least
-- n = 20: how many
select line.value ->> 'product_id' as product_id, count(*) as carts,
       sum(cast(line.value ->> 'quantity' as integer)) as units
  from carts c, {{each(c.items)}} as line
 where c.updated_at <= :older group by 1 order by carts desc, 1 limit :n
