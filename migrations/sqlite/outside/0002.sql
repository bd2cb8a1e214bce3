-- A provider decides in its own time: what a caller did too late shows in when it asked.

alter table gateway_charges add column asked_at text; -- none for charges older than this column
