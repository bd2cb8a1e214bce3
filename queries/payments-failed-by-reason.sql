-- payments-failed-by-reason
-- Why payments failed.
-- group: payments
-- since = 7d: how far back
select reason, count(*) as payments, round(sum(amount_minor) / 100.0, 2) as amount, max(updated_at) as last
  from payments where status = 'FAILED' and updated_at >= :since
 group by reason order by payments desc, reason
