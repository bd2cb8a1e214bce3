-- reservations-recent
-- The newest reservations, and whether they were given back.
-- group: inventory
-- n = 20: how many
select order_id, product_id, quantity, created_at, released_at
  from stock_reservations order by created_at desc, order_id desc, product_id limit :n
