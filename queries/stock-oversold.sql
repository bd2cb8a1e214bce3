-- stock-oversold
-- Products whose units do not add up: what came in, less what was reserved, is not what is left. None is right.
-- group: inventory
with came as (
  select product_id, sum(quantity) as units from product_changes group by product_id
), gone as (
  select product_id, sum(quantity) as units from stock_reservations where released_at is null group by product_id
)
select p.product_id, coalesce(came.units, 0) as came_in, coalesce(gone.units, 0) as reserved, p.stock,
       p.stock - (coalesce(came.units, 0) - coalesce(gone.units, 0)) as wrong_by
  from products p
  left join came on came.product_id = p.product_id
  left join gone on gone.product_id = p.product_id
 where p.stock <> coalesce(came.units, 0) - coalesce(gone.units, 0) or p.stock < 0
 order by p.product_id
