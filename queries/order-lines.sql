-- order-lines
-- What one order is made of.
-- group: orders
-- order = : its id
select line.value ->> 'product_id' as product_id, line.value ->> 'name' as name,
       cast(line.value ->> 'quantity' as integer) as quantity,
       cast(line.value ->> 'price' as numeric) as price
  from orders o, {{each(o.items)}} as line where o.order_id = :order order by 1
