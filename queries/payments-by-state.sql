-- payments-by-state
-- How many payments are in each state, and how much money.
-- group: payments
select status, count(*) as payments, round(sum(amount_minor) / 100.0, 2) as amount,
       max(attempts) as attempts_max, max(updated_at) as last_change
  from payments group by status order by status
