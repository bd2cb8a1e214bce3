-- What operators did about orders; and looking at orders by time, and at money that a provider will not give back.

create table order_notes (
  seq      integer primary key,
  order_id text not null,
  at       text not null,
  actor    text not null,
  action   text not null,
  detail   text not null
);
create index order_notes_of_order on order_notes (order_id);
create index orders_by_time on orders (created_at, order_id);
create index payments_refused on payments (order_id) where status = 'REFUND_FAILED';
