-- The world outside of the shop: what the simulated payment provider did, and what arrived in the
-- mailbox. No service reads or writes these; the checker trusts them.

create table gateway_charges (
  charge_key   text not null primary key,
  order_id     text not null,
  user_id      text not null,
  amount_minor integer not null,
  outcome      text not null,            -- captured, or why it was declined
  lost_reply   integer not null,         -- the caller was told nothing
  at           text not null
) without rowid;

create table gateway_refunds (
  refund_key   text not null primary key,
  charge_key   text not null,
  amount_minor integer not null,
  at           text not null
) without rowid;

-- Every physical copy that arrived.
create table mailbox (
  seq         integer primary key,
  channel     text not null,
  message_id  text not null,
  order_id    text,
  recipient   text not null,
  subject     text not null,
  body        text not null,
  received_at text not null
);
create index mailbox_by_order on mailbox (order_id);
create index mailbox_by_recipient on mailbox (recipient);
