-- stock
-- Every product: units left, units that checkouts hold, units sold.
-- group: inventory
with held as (
  select unit.value ->> 'product_id' as product_id, sum(cast(unit.value ->> 'quantity' as integer)) as units
    from stock_holds h, {{each(h.items)}} as unit
   where h.state = 'HELD' and h.expires_at > :now group by 1
), sold as (
  select product_id, sum(quantity) as units from stock_reservations where released_at is null group by product_id
)
select p.product_id, p.name, p.price, p.listed, p.stock, coalesce(held.units, 0) as held,
       coalesce(sold.units, 0) as sold, p.version, p.updated_at
  from products p
  left join held on held.product_id = p.product_id
  left join sold on sold.product_id = p.product_id
 order by p.product_id
