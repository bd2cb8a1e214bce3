-- holds-live
-- Units that checkouts hold now, and for how long still.
-- group: inventory
select h.order_id, unit.value ->> 'product_id' as product_id,
       cast(unit.value ->> 'quantity' as integer) as quantity, h.expires_at,
       round({{seconds(:now, h.expires_at)}}) as left_s
  from stock_holds h, {{each(h.items)}} as unit
 where h.state = 'HELD' and h.expires_at > :now order by h.expires_at, h.order_id, product_id
