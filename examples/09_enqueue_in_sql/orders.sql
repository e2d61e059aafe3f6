-- A table of your own, and jobs that come with its rows: in the same transaction, so that there is never one without the other.

create schema if not exists shop;

create table if not exists shop.orders (
    order_id  bigint generated always as identity primary key,
    total     numeric not null
);

-- "security definer": whoever may insert an order need not be allowed to enqueue. With a fixed search path, as such a function needs.
create or replace function shop.send_invoice() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform public.enqueue_job('send_invoice', pg_catalog.jsonb_build_object('order', new.order_id));
    return new;
end $$;

create or replace trigger send_invoice after insert on shop.orders
for each row execute function shop.send_invoice();

-- However often an order changes while its export waits: one export, of what it is then.
create or replace function shop.export_order() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform public.enqueue_job('export_order', pg_catalog.jsonb_build_object('order', new.order_id, 'total', new.total), 'default',
        pg_catalog.jsonb_build_object('unique_key', 'order-' || new.order_id, 'unique_until', 'started',
            'unique_conflict', 'push_back', 'delay_seconds', 0.3));
    return new;
end $$;

create or replace trigger export_order after update on shop.orders
for each row execute function shop.export_order();
