-- order-show
-- One order with its payment, its stock and its messages.
-- group: orders
-- order = : its id
select o.order_id, o.user_id, o.status, o.total_amount, o.items, o.cancel_reason, o.decline_reason,
       p.payment_id, p.status as payment, p.attempts as payment_attempts, h.state as stock,
       (select count(*) from notifications n where n.order_id = o.order_id) as messages,
       o.deadline, o.created_at, o.updated_at
  from orders o
  left join payments p on p.order_id = o.order_id
  left join stock_holds h on h.order_id = o.order_id
 where o.order_id = :order
