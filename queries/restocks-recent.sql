-- restocks-recent
-- Units that came in lately.
-- group: inventory
-- since = 30d: how far back
-- n = 50: how many
select c.product_id, p.name, c.kind, c.quantity, c.at
  from product_changes c left join products p on p.product_id = c.product_id
 where c.quantity > 0 and c.at >= :since order by c.at desc, c.product_id limit :n
