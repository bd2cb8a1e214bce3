-- orders-open-by-age
-- Orders that have not ended, by state and age.
-- group: orders
with open_orders as (
  select status, {{seconds(created_at, :now)}} as age_s from orders where status in ('PENDING', 'PAID')
)
select status,
       sum(case when age_s < 10 then 1 else 0 end) as under_10_s,
       sum(case when age_s >= 10 and age_s < 60 then 1 else 0 end) as under_1_min,
       sum(case when age_s >= 60 and age_s < 300 then 1 else 0 end) as under_5_min,
       sum(case when age_s >= 300 and age_s < 900 then 1 else 0 end) as under_15_min,
       sum(case when age_s >= 900 then 1 else 0 end) as older,
       round(max(age_s)) as oldest_s
  from open_orders group by status order by status
