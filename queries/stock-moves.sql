-- stock-moves
-- Everything that happened to a product's stock, in order.
-- group: inventory
-- product = : its id
select version, at, what, units, order_id from (
  select version, at, kind as what, quantity as units, null as order_id
    from product_changes where product_id = :product
  union all
  select reserved_version, created_at, 'reserved', -quantity, order_id
    from stock_reservations where product_id = :product
  union all
  select released_version, released_at, 'released', quantity, order_id
    from stock_reservations where product_id = :product and released_at is not null
) as moves order by version, at, what
