-- order-history
-- What became of one order, step by step.
-- group: orders
-- order = : its id
select h.version, h.status, h.reason, h.at, {{seconds(o.created_at, h.at)}} as after_s, h.event_id
  from order_status_history h join orders o on o.order_id = h.order_id
 where h.order_id = :order order by h.version
