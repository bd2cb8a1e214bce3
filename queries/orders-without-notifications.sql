-- orders-without-notifications
-- Orders that have ended without any message about it.
-- group: notifications
-- older = 1m: since when, at least
select o.order_id, o.user_id, o.status, o.updated_at
  from orders o left join (select distinct order_id from notifications) as told on told.order_id = o.order_id
 where o.status in ('FULFILLED', 'CANCELLED') and o.updated_at <= :older
   and told.order_id is null
 order by o.updated_at, o.order_id
