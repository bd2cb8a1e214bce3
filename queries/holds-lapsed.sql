-- holds-lapsed
-- Holds that have run out while their orders have not ended.
-- group: inventory
select h.order_id, o.status, h.expires_at, round({{seconds(h.expires_at, :now)}}) as late_s, h.items
  from stock_holds h left join orders o on o.order_id = h.order_id
 where h.state = 'HELD' and h.expires_at <= :now order by h.expires_at, h.order_id
