-- inventory-velocity
-- Units sold per product and hour, ranked; the first ten ranks of each hour.
-- group: analytics
-- since = 24h: how far back
with sold as (
  select product_id, {{hour(created_at)}} as window_start, sum(quantity) as units_sold
    from stock_reservations where created_at >= :since and released_at is null group by product_id, 2
), ranked as (
  select product_id, window_start, units_sold,
         dense_rank() over (partition by window_start order by units_sold desc) as rank from sold
)
select window_start, rank, product_id, units_sold from ranked where rank <= 10
 order by window_start desc, rank, product_id
