-- carts-abandoned
-- Carts that were filled and then left alone, what is in them, and since when.
-- group: carts
-- older = 30m: how long ago they were touched last, at least
select c.user_id, line.value ->> 'product_id' as product_id,
       cast(line.value ->> 'quantity' as integer) as quantity, c.updated_at as abandoned_at,
       round({{seconds(c.updated_at, :now)}}) as idle_s
  from carts c, {{each(c.items)}} as line
 where c.updated_at <= :older order by c.updated_at desc, c.user_id, product_id
