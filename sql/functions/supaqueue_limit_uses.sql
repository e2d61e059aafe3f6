-- What runs now under each of these limits, and what the open windows have used; of a limit of each tenant, by tenant. A limit, or a
-- tenant, of which there is neither has no row. Only what is marked is counted: claims mark what they lease under a limit.
create or replace function supaqueue_limit_uses(limits job_running_limits[])
returns table (limit_id bigint, tenant text, running bigint, starts bigint)
language plpgsql volatile
set search_path from current
as $$
#variable_conflict use_column
begin
    return query
    select u.limit_id, u.tenant, sum(u.running), sum(u.starts)
    from (
        select l.limit_id, case when l.each_tenant then t.tenant end as tenant, 1 as running, 0 as starts
        from unnest(limits) as l
        cross join lateral (
            select b.tenant from job_tasks b
            where l.queue is not null and b.limited and b.lease_expires_at is not null
                and b.queue = l.queue and (l.task_type is null or b.task_type = l.task_type) and b.purpose = 'run'
            union all
            select b.tenant from job_tasks b
            where l.queue is null and b.limited and b.lease_expires_at is not null
                and b.task_type = l.task_type and b.purpose = 'run'
        ) as t
        where not l.each_tenant or t.tenant <> ''
        union all
        select l.limit_id, case when l.each_tenant then w.tenant end, 0, w.used
        from unnest(limits) as l
        cross join lateral (
            select b.tenant, b.used from job_limit_windows b
            where l.starts_limit is not null and b.limit_id = l.limit_id and b.ends_at > clock_timestamp() offset 0
        ) as w
    ) as u
    group by u.limit_id, u.tenant;
end $$;
