-- deliveries-recent
-- Deliveries that sellers announced.
-- group: catalogue
-- n = 50: how many
select d.at, d.product_id, c.seller_id, d.quantity, d.event_id
  from catalog_deliveries d left join catalog_products c on c.product_id = d.product_id
 order by d.at desc, d.product_id limit :n
