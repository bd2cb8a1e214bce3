-- The shop's tables and its event log, for SQLite.
-- Names and columns of the original shop are kept (orders, outbox_events, processed_events, payments,
-- products, stock_reservations); its float amounts are generated from whole minor units, and its
-- surrogate ids from the natural keys. Times are RFC 3339 text in UTC with milliseconds.
-- A transaction touches the tables of one service, and that service's rows of the first two.

-- ---------------------------------------------------------------------------- delivery

-- What a service wants published: written with the change that it tells of.
create table outbox_events (
  seq          integer primary key,      -- order of writing; per key, order of publishing
  id           text not null,            -- the event's id
  service      text not null,
  event_type   text not null,            -- also the topic
  record_key   text not null,
  order_id     text,
  event_data   text not null,            -- the record's value, byte for byte
  published    text not null default 'N',
  created_at   text not null,
  published_at text
);
create index outbox_unpublished on outbox_events (seq) where published = 'N';

-- What a consumer has taken effect of: written with the effect.
create table processed_events (
  consumer     text not null,
  event_id     text not null,
  event_type   text not null,
  processed_at text not null,
  id           text generated always as (consumer || ':' || event_id) virtual,
  primary key (consumer, event_id)
) without rowid;

-- Answers to be repeated: only of checkouts that were accepted, and of what sellers did.
create table idempotency_keys (
  service      text not null,
  scope        text not null,            -- user or seller, and path
  key          text not null,
  fingerprint  text not null,            -- of the request body
  status       integer not null,
  location     text,
  body         text not null,
  created_at   text not null,
  expires_at   text not null,
  primary key (service, scope, key)
) without rowid;
create index idempotency_expiry on idempotency_keys (expires_at);

-- ---------------------------------------------------------------------------- cart

create table carts (
  user_id       text not null primary key,
  cart_id       text,                    -- null while empty
  items         text not null,           -- JSON list of lines
  version       integer not null,        -- counts the changes
  last_order_id text,                    -- what the previous cart became
  created_at    text not null,
  updated_at    text not null,
  expires_at    text not null
);
create index carts_expiry on carts (expires_at);

-- One row per cart that became an order.
create table checkouts (
  order_id        text not null primary key,   -- made from the cart's id: one cart, one order
  cart_id         text not null,
  user_id         text not null,
  items           text not null,
  total_minor     integer not null,
  email           text,
  phone           text,
  hold_expires_at text not null,
  deadline        text not null,
  created_at      text not null
);

-- The cart's own copy of what products cost, fed by catalog.product_upserted.
create table cart_products (
  product_id  text not null primary key,
  name        text not null,
  price_minor integer not null,
  listed      integer not null,
  version     integer not null,
  previous    text not null,             -- JSON list of earlier prices and until when they held
  updated_at  text not null
);

-- ---------------------------------------------------------------------------- order

create table orders (
  order_id       text not null unique,
  user_id        text not null,
  status         text not null check (status in ('PENDING', 'PAID', 'FULFILLED', 'CANCELLED')),
  items          text not null,
  total_minor    integer not null,
  email          text,
  phone          text,
  payment_id     text,
  cancel_reason  text,
  decline_reason text,
  version        integer not null,       -- counts the changes of status
  deadline       text,                   -- when it expires; null once it cannot
  created_at     text not null,
  updated_at     text not null,
  id             text generated always as (order_id) virtual,
  total_amount   real generated always as (total_minor / 100.0) virtual
);
create index orders_by_user on orders (user_id, created_at);
create index orders_overdue on orders (deadline) where deadline is not null;

create table order_status_history (
  order_id text not null,
  version  integer not null,
  status   text not null,
  reason   text,
  event_id text not null,                -- the event that told of it
  at       text not null,
  primary key (order_id, version)
) without rowid;

-- ---------------------------------------------------------------------------- payment

create table payments (
  order_id        text not null unique,  -- an order is charged once
  user_id         text not null,
  amount_minor    integer not null,
  currency        text not null,
  method          text not null,
  status          text not null check (status in ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELLED',
                                                  'REFUND_DUE', 'REFUNDED', 'REFUND_FAILED')),
  reason          text,
  order_cancelled integer not null default 0,  -- its order was cancelled: a capture is due back
  cause_event_id  text not null,         -- the event that asked for what is due
  attempts        integer not null default 0,
  next_attempt_at text,                  -- when the gateway is asked next; null when nothing is due
  hold_expires_at text not null,         -- no charge starts after this
  version         integer not null,
  created_at      text not null,
  updated_at      text not null,
  payment_id      text generated always as ('PAY-' || substr(order_id, 5)) virtual,
  id              text generated always as (order_id) virtual,
  amount          real generated always as (amount_minor / 100.0) virtual
);
create index payments_due on payments (next_attempt_at) where next_attempt_at is not null;

-- ---------------------------------------------------------------------------- inventory

create table products (
  product_id      text not null unique,
  name            text not null,
  description     text not null,
  price_minor     integer not null,
  listed          integer not null,
  stock           integer not null check (stock >= 0),
  version         integer not null,      -- counts the changes of this row
  catalog_version integer not null,      -- of the catalogue's change seen last
  created_at      text not null,
  updated_at      text not null,
  id              text generated always as (product_id) virtual,
  price           real generated always as (price_minor / 100.0) virtual
);

-- One row per order: the durable side of its hold, and how it ended.
create table stock_holds (
  order_id   text not null unique,
  items      text not null,              -- JSON list of units
  state      text not null check (state in ('HELD', 'RESERVED', 'RELEASED', 'FAILED', 'TOMBSTONE')),
  expires_at text not null,
  version    integer not null,
  created_at text not null,
  updated_at text not null
);
create index stock_holds_live on stock_holds (expires_at) where state = 'HELD';

-- Units that left the stock for an order; released ones came back.
create table stock_reservations (
  order_id          text not null,
  product_id        text not null,
  quantity          integer not null check (quantity > 0),
  reserved_event_id text not null,
  reserved_version  integer not null,    -- the product's version with these units gone
  released_event_id text,
  released_version  integer,             -- the product's version with these units back
  created_at        text not null,
  released_at       text,
  id                text generated always as (order_id || ':' || product_id) virtual,
  primary key (order_id, product_id)
) without rowid;

-- Every other change of a product's row: units that came in, and what sellers changed.
create table product_changes (
  product_id text not null,
  version    integer not null,           -- the product's version with the change
  kind       text not null check (kind in ('created', 'restock', 'upsert')),
  quantity   integer not null,           -- units that came in
  event_id   text not null,
  at         text not null,
  primary key (product_id, version, event_id)
) without rowid;

-- ---------------------------------------------------------------------------- notification

create table notifications (
  message_id      text not null unique,
  order_id        text,
  channel         text not null check (channel in ('email', 'sms')),
  recipient       text not null,
  subject         text not null,
  body            text not null,
  status          text not null check (status in ('PENDING', 'SENT', 'FAILED')),
  reason          text,
  attempts        integer not null default 0,
  next_attempt_at text,
  created_at      text not null,
  updated_at      text not null
);
create index notifications_due on notifications (next_attempt_at) where next_attempt_at is not null;

-- ---------------------------------------------------------------------------- catalogue

create table catalog_products (
  product_id  text not null unique,
  seller_id   text not null,
  name        text not null,
  description text not null,
  price_minor integer not null,
  listed      integer not null,
  version     integer not null,
  created_at  text not null,
  updated_at  text not null
);

-- Every price a product ever had, and from when on.
create table catalog_prices (
  product_id  text not null,
  version     integer not null,
  price_minor integer not null,
  listed      integer not null,
  since       text not null,
  primary key (product_id, version)
) without rowid;

-- Every delivery of units.
create table catalog_deliveries (
  event_id   text not null primary key,
  product_id text not null,
  quantity   integer not null,
  at         text not null
) without rowid;

-- ---------------------------------------------------------------------------- dead letters

-- What became of a dead letter; one without a row is open.
create table dlq_entries (
  entry_id   text not null primary key,  -- topic/partition/offset
  state      text not null check (state in ('open', 'replaying', 'resolved', 'refailed', 'discarded', 'parked')),
  event_id   text,
  job_id     text,
  updated_at text not null
) without rowid;

create table dlq_audit (
  seq      integer primary key,
  at       text not null,
  actor    text not null,
  action   text not null,
  entry_id text,
  job_id   text,
  detail   text not null
);

create table replay_jobs (
  job_id     text not null primary key,
  state      text not null check (state in ('running', 'done', 'partial', 'failed')),
  plan       text not null,              -- JSON: what was asked for
  outcome    text not null,              -- JSON: counts
  actor      text not null,
  created_at text not null,
  updated_at text not null
) without rowid;

-- ---------------------------------------------------------------------------- event log

create table log_topics (
  topic        text not null primary key,
  retention_ms integer                   -- null: keep for ever
) without rowid;

create table log_partitions (
  tp           integer primary key,      -- names the partition in positions
  topic        text not null,
  partition    integer not null,
  start_offset integer not null,         -- everything before was removed by retention
  unique (topic, partition)
);

-- A record's position is tp * 2^40 + offset: each partition is one range of one tree.
create table log_records (
  position     integer primary key,
  timestamp_ms integer not null,
  record_key   blob,
  headers      blob not null,
  value        blob
);

create table log_offsets (
  group_id   text not null,
  topic      text not null,
  partition  integer not null,
  committed  integer not null,           -- the offset to read next
  updated_at text not null,
  primary key (group_id, topic, partition)
) without rowid;

-- ---------------------------------------------------------------------------- the folder itself

create table meta (
  key   text not null primary key,
  value text not null
) without rowid;

-- When processes took this folder: a crash shows as a start without an end before it.
create table process_starts (
  started_at text not null,
  ended_at   text
);
