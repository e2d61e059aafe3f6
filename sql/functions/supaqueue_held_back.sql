-- What limits hold back of one queue: for how many more it has room itself (null: any number), which types are full, and which
-- tenants: {tenant: [types that are full for it, or '' for all]}.
create or replace function supaqueue_held_back(
    rooms job_limit_room[], queue text, out room integer, out types text[], out tenants jsonb
)
language plpgsql immutable
set search_path from current
as $$
begin
    select min(r.room) filter (where r.task_type is null),
        array_agg(r.task_type) filter (where r.task_type is not null and r.room = 0)
    into room, types
    from unnest(rooms) as r
    where not r.each_tenant and (r.queue is null or r.queue = supaqueue_held_back.queue);
    tenants := (
        select jsonb_object_agg(f.tenant, f.types)
        from (
            select r.tenant, jsonb_agg(coalesce(r.task_type, '')) as types from unnest(rooms) as r
            where r.each_tenant and r.room = 0 and r.tenant is not null
                and (r.queue is null or r.queue = supaqueue_held_back.queue)
            group by r.tenant
        ) as f
    );
end $$;
