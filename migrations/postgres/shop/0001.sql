-- The shop's tables, for PostgreSQL 14 or later.
-- Names and columns of the original shop are kept (orders, outbox_events, processed_events, payments,
-- products, stock_reservations); its float amounts are generated from whole minor units, and its
-- surrogate ids from the natural keys. Keys compare byte by byte, whatever the database's collation.
-- A transaction touches the tables of one service, and that service's rows of the first two.

-- ---------------------------------------------------------------------------- delivery

-- What a service wants published: written with the change that it tells of.
create table outbox_events (
  seq          bigint generated always as identity primary key, -- per key, the order of publishing
  id           uuid not null,            -- the event's id
  service      text not null,
  event_type   text not null,            -- also the topic
  record_key   text not null,
  order_id     text,
  event_data   text not null,            -- the record's value, byte for byte
  published    char(1) not null default 'N',
  created_at   timestamptz not null,
  published_at timestamptz,
  slot         smallint not null generated always as ((hashtext(record_key) & 63)::smallint) stored
);
create index outbox_unpublished on outbox_events (seq) where published = 'N';

-- What a consumer has taken effect of: written with the effect.
create table processed_events (
  consumer     text collate "C" not null,
  event_id     uuid not null,
  event_type   text not null,
  processed_at timestamptz not null,
  id           text generated always as (consumer || ':' || event_id::text) stored,
  primary key (consumer, event_id)
);

-- Answers to be repeated: only of checkouts that were accepted, and of what sellers did.
create table idempotency_keys (
  service      text collate "C" not null,
  scope        text collate "C" not null, -- user or seller, and path
  key          text collate "C" not null,
  fingerprint  text not null,             -- of the request body
  status       bigint not null,
  location     text,
  body         text not null,
  created_at   timestamptz not null,
  expires_at   timestamptz not null,
  primary key (service, scope, key)
);
create index idempotency_expiry on idempotency_keys (expires_at);

-- ---------------------------------------------------------------------------- cart

create table carts (
  user_id       text collate "C" not null primary key,
  cart_id       uuid,                    -- null while empty
  items         jsonb not null,          -- list of lines
  version       bigint not null,         -- counts the changes
  last_order_id text,                    -- what the previous cart became
  created_at    timestamptz not null,
  updated_at    timestamptz not null,
  expires_at    timestamptz not null
);
create index carts_expiry on carts (expires_at);

-- One row per cart that became an order.
create table checkouts (
  order_id        text collate "C" not null primary key, -- made from the cart's id: one cart, one order
  cart_id         uuid not null,
  user_id         text not null,
  items           jsonb not null,
  total_minor     bigint not null,
  email           text,
  phone           text,
  hold_expires_at timestamptz not null,
  deadline        timestamptz not null,
  created_at      timestamptz not null
);

-- The cart's own copy of what products cost, fed by catalog.product_upserted.
create table cart_products (
  product_id  text collate "C" not null primary key,
  name        text not null,
  price_minor bigint not null,
  listed      boolean not null,
  version     bigint not null,
  previous    jsonb not null,            -- list of earlier prices and until when they held
  updated_at  timestamptz not null
);

-- ---------------------------------------------------------------------------- order

create table orders (
  order_id       text collate "C" not null primary key,
  user_id        text not null,
  status         text not null check (status in ('PENDING', 'PAID', 'FULFILLED', 'CANCELLED')),
  items          jsonb not null,
  total_minor    bigint not null,
  email          text,
  phone          text,
  payment_id     text,
  cancel_reason  text,
  decline_reason text,
  version        bigint not null,        -- counts the changes of status
  deadline       timestamptz,            -- when it expires; null once it cannot
  created_at     timestamptz not null,
  updated_at     timestamptz not null,
  id             text generated always as (order_id) stored,
  total_amount   numeric(16, 2) generated always as (total_minor / 100.0) stored
);
create index orders_by_user on orders (user_id, created_at);
create index orders_overdue on orders (deadline) where deadline is not null;

create table order_status_history (
  order_id text collate "C" not null,
  version  bigint not null,
  status   text not null,
  reason   text,
  event_id uuid not null,                -- the event that told of it
  at       timestamptz not null,
  primary key (order_id, version)
);

-- ---------------------------------------------------------------------------- payment

create table payments (
  order_id        text collate "C" not null primary key, -- an order is charged once
  user_id         text not null,
  amount_minor    bigint not null,
  currency        text not null,
  method          text not null,
  status          text not null check (status in ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELLED',
                                                  'REFUND_DUE', 'REFUNDED', 'REFUND_FAILED')),
  reason          text,
  order_cancelled boolean not null default false, -- its order was cancelled: a capture is due back
  cause_event_id  uuid not null,         -- the event that asked for what is due
  attempts        bigint not null default 0,
  next_attempt_at timestamptz,           -- when the gateway is asked next; null when nothing is due
  hold_expires_at timestamptz not null,  -- no charge starts after this
  version         bigint not null,
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  payment_id      text generated always as ('PAY-' || substr(order_id, 5)) stored,
  id              text generated always as (order_id) stored,
  amount          numeric(16, 2) generated always as (amount_minor / 100.0) stored
);
create index payments_due on payments (next_attempt_at) where next_attempt_at is not null;

-- ---------------------------------------------------------------------------- inventory

create table products (
  product_id      text collate "C" not null primary key,
  name            text not null,
  description     text not null,
  price_minor     bigint not null,
  listed          boolean not null,
  stock           bigint not null check (stock >= 0),
  version         bigint not null,       -- counts the changes of this row
  catalog_version bigint not null,       -- of the catalogue's change seen last
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  id              text generated always as (product_id) stored,
  price           numeric(16, 2) generated always as (price_minor / 100.0) stored
) with (fillfactor = 50);                -- hot rows change in place

-- One row per order: the durable side of its hold, and how it ended.
create table stock_holds (
  order_id   text collate "C" not null primary key,
  items      jsonb not null,             -- list of units
  state      text not null check (state in ('HELD', 'RESERVED', 'RELEASED', 'FAILED', 'TOMBSTONE')),
  expires_at timestamptz not null,
  version    bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index stock_holds_live on stock_holds (expires_at) where state = 'HELD';

-- Units that left the stock for an order; released ones came back.
create table stock_reservations (
  order_id          text collate "C" not null,
  product_id        text collate "C" not null,
  quantity          bigint not null check (quantity > 0),
  reserved_event_id uuid not null,
  reserved_version  bigint not null,     -- the product's version with these units gone
  released_event_id uuid,
  released_version  bigint,              -- the product's version with these units back
  created_at        timestamptz not null,
  released_at       timestamptz,
  id                text generated always as (order_id || ':' || product_id) stored,
  primary key (order_id, product_id)
);

-- Every other change of a product's row: units that came in, and what sellers changed.
create table product_changes (
  product_id text collate "C" not null,
  version    bigint not null,            -- the product's version with the change
  kind       text not null check (kind in ('created', 'restock', 'upsert')),
  quantity   bigint not null,            -- units that came in
  event_id   uuid not null,
  at         timestamptz not null,
  primary key (product_id, version, event_id)
);

-- ---------------------------------------------------------------------------- notification

create table notifications (
  message_id      text collate "C" not null primary key,
  order_id        text,
  channel         text not null check (channel in ('email', 'sms')),
  recipient       text not null,
  subject         text not null,
  body            text not null,
  status          text not null check (status in ('PENDING', 'SENT', 'FAILED')),
  reason          text,
  attempts        bigint not null default 0,
  next_attempt_at timestamptz,
  created_at      timestamptz not null,
  updated_at      timestamptz not null
);
create index notifications_due on notifications (next_attempt_at) where next_attempt_at is not null;

-- ---------------------------------------------------------------------------- catalogue

create table catalog_products (
  product_id  text collate "C" not null primary key,
  seller_id   text not null,
  name        text not null,
  description text not null,
  price_minor bigint not null,
  listed      boolean not null,
  version     bigint not null,
  created_at  timestamptz not null,
  updated_at  timestamptz not null
);

-- Every price a product ever had, and from when on.
create table catalog_prices (
  product_id  text collate "C" not null,
  version     bigint not null,
  price_minor bigint not null,
  listed      boolean not null,
  since       timestamptz not null,
  primary key (product_id, version)
);

-- Every delivery of units.
create table catalog_deliveries (
  event_id   uuid not null primary key,
  product_id text not null,
  quantity   bigint not null,
  at         timestamptz not null
);

-- ---------------------------------------------------------------------------- dead letters

-- What became of a dead letter; one without a row is open.
create table dlq_entries (
  entry_id   text collate "C" not null primary key, -- topic/partition/offset
  state      text not null check (state in ('open', 'replaying', 'resolved', 'refailed', 'discarded', 'parked')),
  event_id   text,
  job_id     text,
  updated_at timestamptz not null
);

create table dlq_audit (
  seq      bigint generated always as identity primary key,
  at       timestamptz not null,
  actor    text not null,
  action   text not null,
  entry_id text,
  job_id   text,
  detail   text not null
);

create table replay_jobs (
  job_id     text collate "C" not null primary key,
  state      text not null check (state in ('running', 'done', 'partial', 'failed')),
  plan       jsonb not null,             -- what was asked for
  outcome    jsonb not null,             -- counts
  actor      text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

-- ---------------------------------------------------------------------------- processes

-- When processes began to work on these tables: a crash shows as a start without an end.
create table process_starts (
  started_at timestamptz not null,
  ended_at   timestamptz
);
