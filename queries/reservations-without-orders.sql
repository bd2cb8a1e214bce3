-- reservations-without-orders
-- Units that left the stock for an order that does not exist or was cancelled, and did not come back.
-- group: inventory
-- older = 1m: how old they are at least
select r.order_id, r.product_id, r.quantity, o.status, r.created_at
  from stock_reservations r left join orders o on o.order_id = r.order_id
 where r.released_at is null and r.created_at <= :older and (o.order_id is null or o.status = 'CANCELLED')
 order by r.created_at, r.order_id, r.product_id
