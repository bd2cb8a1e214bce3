-- Several processes may share a store: who performs an effect, and who is alive. Alone, the owner is ''.

alter table payments add column owner text not null default '';
alter table notifications add column owner text not null default '';

create table members (
  instance    text not null,
  part        text not null,
  alive_until text not null,
  primary key (instance, part)
) without rowid;
