-- sellers
-- Sellers, what they offer and what they have sold.
-- group: catalogue
with sold as (
  select line.value ->> 'product_id' as product_id, sum(cast(line.value ->> 'quantity' as integer)) as units,
         sum(cast(line.value ->> 'quantity' as integer) * cast(line.value ->> 'price' as numeric)) as amount
    from orders o, {{each(o.items)}} as line where o.status in ('PAID', 'FULFILLED') group by 1
)
select c.seller_id, count(*) as products, sum(case when c.listed then 1 else 0 end) as listed,
       sum(coalesce(sold.units, 0)) as units_sold, round(sum(coalesce(sold.amount, 0)), 2) as amount
  from catalog_products c left join sold on sold.product_id = c.product_id
 group by c.seller_id order by amount desc, c.seller_id
