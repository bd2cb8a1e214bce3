-- basket-sizes
-- How many lines and units orders have.
-- group: analytics
-- since = 30d: how far back
with baskets as (
  select o.order_id, count(*) as lines, sum(cast(line.value ->> 'quantity' as integer)) as units
    from orders o, {{each(o.items)}} as line where o.created_at >= :since group by o.order_id
)
select lines, count(*) as orders, round(avg(units), 1) as units_avg, max(units) as units_max
  from baskets group by lines order by lines
