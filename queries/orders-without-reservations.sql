-- orders-without-reservations
-- Fulfilled orders for which nothing left the stock.
-- group: inventory
select o.order_id, o.user_id, o.total_amount, o.created_at, o.updated_at
  from orders o
 where o.status = 'FULFILLED' and not exists (
   select 1 from stock_reservations r where r.order_id = o.order_id and r.released_at is null)
 order by o.created_at, o.order_id
