-- What the provider still has to tell its customer: written with the decision that it tells of, so
-- that neither is there without the other; gone once the customer has taken it, or never will.

create table gateway_webhooks (
  webhook_id text not null primary key,
  body       text not null,              -- JSON, as it is signed and sent
  created_at text not null,
  attempts   integer not null,
  next_at    text not null
) without rowid;
create index gateway_webhooks_due on gateway_webhooks (next_at);
