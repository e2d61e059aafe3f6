-- For how many more tasks there is room under each of these limits, which the caller has locked in a statement before.
create or replace function supaqueue_limit_rooms(limits job_running_limits[]) returns job_limit_room[]
language plpgsql volatile strict
set search_path from current
as $$
begin
    return (
        with used as materialized (
            select * from supaqueue_limit_uses(limits)
        )
        select array_agg(row(l.limit_id, l.queue, l.task_type, l.each_tenant, o.tenant, greatest(0, least(
            l.running_limit - o.running, l.starts_limit - o.starts)))::job_limit_room)
        from unnest(limits) as l
        cross join lateral (
            select u.tenant, u.running, u.starts from used u where u.limit_id = l.limit_id
            union all
            select null, 0, 0 where l.each_tenant or not exists (select from used u where u.limit_id = l.limit_id)
        ) as o
    );
end $$;
