-- checkouts-without-orders
-- Checkouts that were answered and have become no order yet.
-- group: carts
-- older = 1m: how old they are at least
select c.order_id, c.user_id, round(c.total_minor / 100.0, 2) as amount, c.created_at,
       round({{seconds(c.created_at, :now)}}) as age_s
  from checkouts c left join orders o on o.order_id = c.order_id
 where o.order_id is null and c.created_at <= :older order by c.created_at, c.order_id
