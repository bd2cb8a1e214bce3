-- payments-without-orders
-- Payments of orders that do not exist.
-- group: payments
select p.payment_id, p.order_id, p.status, p.amount, p.created_at
  from payments p left join orders o on o.order_id = p.order_id
 where o.order_id is null order by p.created_at, p.order_id
