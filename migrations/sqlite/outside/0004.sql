-- Charges that will never be made: their keys were cancelled before any charge was decided.

create table gateway_cancelled (
  charge_key text not null primary key,
  at         text not null
) without rowid;
