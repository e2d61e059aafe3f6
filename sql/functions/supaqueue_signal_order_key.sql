-- Says that the turn of a key may be free, with whatever made it so: the end, the removal or the release of the task that had it, or a
-- task that waits for it again. No function that ends a task has to think of that. A new task says so itself (supaqueue_store_jobs),
-- once for each key of a call.
create or replace function supaqueue_signal_order_key() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    insert into job_order_key_signals (queue, order_key) values (old.queue, old.order_key);
    return null;
end $$;

create or replace trigger supaqueue_signal_end_of_turn after update of status, blocks_key on job_tasks for each row
when (old.order_key is not null and (
    (old.status in ('pending', 'claimed', 'processing') or old.status = 'failed' and old.blocks_key)
        and not (new.status in ('pending', 'claimed', 'processing') or new.status = 'failed' and new.blocks_key)
    or new.status = 'blocked' and old.status <> 'blocked'))
execute function supaqueue_signal_order_key();

create or replace trigger supaqueue_signal_removal after delete on job_tasks for each row
when (old.order_key is not null
    and (old.status in ('pending', 'claimed', 'processing') or old.status = 'failed' and old.blocks_key))
execute function supaqueue_signal_order_key();
