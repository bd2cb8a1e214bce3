-- outbox-backlog
-- Events that are written and not sent, by service: how many, and how old the oldest is.
-- group: delivery
select service, count(*) as unsent, count(distinct record_key) as keys, min(created_at) as oldest,
       round({{seconds(min(created_at), :now)}}) as oldest_s
  from outbox_events where published = 'N' group by service order by unsent desc, service
