-- carts-open
-- Carts with something in them, the last touched first.
-- group: carts
-- n = 100: how many
select c.user_id, count(*) as lines, sum(cast(line.value ->> 'quantity' as integer)) as units,
       round(sum(cast(line.value ->> 'quantity' as integer) * cast(line.value ->> 'price' as numeric)), 2) as amount,
       c.updated_at, c.expires_at
  from carts c, {{each(c.items)}} as line
 group by c.user_id, c.updated_at, c.expires_at order by c.updated_at desc, c.user_id limit :n
