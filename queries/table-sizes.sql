-- table-sizes
-- How many rows each table has.
-- group: operations
select 'carts' as name, count(*) as records from carts
union all select 'cart_products', count(*) from cart_products
union all select 'catalog_deliveries', count(*) from catalog_deliveries
union all select 'catalog_prices', count(*) from catalog_prices
union all select 'catalog_products', count(*) from catalog_products
union all select 'checkouts', count(*) from checkouts
union all select 'dlq_audit', count(*) from dlq_audit
union all select 'dlq_entries', count(*) from dlq_entries
union all select 'idempotency_keys', count(*) from idempotency_keys
union all select 'members', count(*) from members
union all select 'notifications', count(*) from notifications
union all select 'order_notes', count(*) from order_notes
union all select 'order_status_history', count(*) from order_status_history
union all select 'orders', count(*) from orders
union all select 'outbox_events', count(*) from outbox_events
union all select 'payments', count(*) from payments
union all select 'process_gaps', count(*) from process_gaps
union all select 'process_starts', count(*) from process_starts
union all select 'processed_events', count(*) from processed_events
union all select 'product_changes', count(*) from product_changes
union all select 'products', count(*) from products
union all select 'replay_jobs', count(*) from replay_jobs
union all select 'stock_holds', count(*) from stock_holds
union all select 'stock_reservations', count(*) from stock_reservations
order by 1
