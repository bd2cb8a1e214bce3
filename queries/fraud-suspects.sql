-- fraud-suspects
-- Users who made unusually many orders within five minutes, or an unusually large one.
-- group: analytics
-- since = 24h: how far back
-- orders = 5: so many within five minutes are suspicious
-- amount = 1000: so large an order is suspicious, in whole units of money
with recent as (
  select user_id, order_id, total_minor, created_at from orders where created_at >= :since
), windows as (
  select a.user_id, a.order_id, a.created_at as window_end, min(b.created_at) as window_start,
         count(*) as order_count, max(b.total_minor) as largest
    from recent a join recent b on b.user_id = a.user_id and b.created_at <= a.created_at
     and {{seconds(b.created_at, a.created_at)}} <= 300
   group by a.user_id, a.order_id, a.created_at
), worst as (
  select user_id, max(order_count) as order_count, max(largest) as largest, min(window_start) as window_start,
         max(window_end) as window_end
    from windows where order_count >= :orders or largest >= :amount * 100 group by user_id
)
select w.user_id, w.window_start, w.window_end, w.order_count, round(w.largest / 100.0, 2) as max_order_amount,
       (select count(*) from payments p where p.user_id = w.user_id and p.created_at >= :since) as payment_count,
       case when w.order_count >= :orders then 'many orders' else 'large order' end as alert_type
  from worst w order by w.order_count desc, w.largest desc, w.user_id
