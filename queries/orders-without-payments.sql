-- orders-without-payments
-- Orders that are not cancelled and for which no payment was begun.
-- group: payments
-- older = 1m: how old they are at least
select o.order_id, o.user_id, o.status, o.total_amount, o.created_at
  from orders o left join payments p on p.order_id = o.order_id
 where p.order_id is null and o.status <> 'CANCELLED' and o.created_at <= :older
 order by o.created_at, o.order_id
