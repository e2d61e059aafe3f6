-- Counts what was leased just now in the windows of the limits that it is under; a window that has ended is followed by one that
-- begins now. The caller has locked the limits. What has ended is removed, of the tenants seen and a few others.
create or replace function supaqueue_count_starts(
    limits job_running_limits[], job_ids uuid[], request_id uuid, leased_at timestamptz
) returns void
language plpgsql
set search_path from current
as $$
begin
    if not exists (select from unnest(limits) as l where l.starts_limit is not null) then
        return;
    end if;
    with begun as materialized (
        select l.limit_id, l.starts_seconds, case when l.each_tenant then t.tenant else '' end as tenant, count(*) as starts
        from unnest(limits) as l
        join (
            select b.* from (select distinct u.job_id from unnest(job_ids) as u (job_id)) as g
            cross join lateral (
                select b.queue, b.task_type, b.tenant from job_tasks b
                where b.job_id = g.job_id and b.claim_request = request_id and b.claimed_at = leased_at and b.purpose = 'run' offset 0
            ) as b
        ) as t on (l.queue is null or t.queue = l.queue) and (l.task_type is null or t.task_type = l.task_type)
            and (not l.each_tenant or t.tenant <> '')
        where l.starts_limit is not null
        group by 1, 2, 3
    ), open as materialized (
        select b.limit_id, b.tenant, b.starts, b.starts_seconds, w.began_at
        from begun b
        left join lateral (
            select w.began_at from job_limit_windows w
            where w.limit_id = b.limit_id and w.tenant = b.tenant and w.ends_at > leased_at
            order by w.limit_id, w.tenant, w.began_at desc limit 1
        ) as w on true
    ), ended as (
        delete from job_limit_windows w
        using (
            select e.* from open o
            cross join lateral (
                (select b.limit_id, b.tenant, b.began_at from job_limit_windows b
                where b.limit_id = o.limit_id and b.tenant = o.tenant and b.ends_at <= leased_at)
                union
                (select b.limit_id, b.tenant, b.began_at from job_limit_windows b
                where b.limit_id = o.limit_id and b.ends_at <= leased_at order by b.limit_id, b.ends_at limit 10)
            ) as e
            where o.began_at is null
        ) as e
        where w.limit_id = e.limit_id and w.tenant = e.tenant and w.began_at = e.began_at
    )
    insert into job_limit_windows as w (limit_id, tenant, began_at, ends_at, used)
    select o.limit_id, o.tenant, coalesce(o.began_at, leased_at), leased_at + make_interval(secs => o.starts_seconds), o.starts
    from open o
    on conflict (limit_id, tenant, began_at) do update set used = w.used + excluded.used;
end $$;
