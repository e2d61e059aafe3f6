-- Whether one more such task may be leased; without limits it may.
create or replace function supaqueue_has_room(rooms job_limit_room[], queue text, task_type text, tenant text) returns boolean
language sql immutable
set search_path from current
as $$
    select not exists (
        select from unnest(rooms) as r
        where r.room = 0 and (r.queue is null or r.queue = supaqueue_has_room.queue)
            and (r.task_type is null or r.task_type = supaqueue_has_room.task_type)
            and (not r.each_tenant or r.tenant = supaqueue_has_room.tenant))
$$;
