-- Which of these candidates there is room for, if the best are taken first, in the order of supaqueue_choose_candidates. Limits are
-- gone through from the narrowest on: what one of them leaves out takes no room under the next. `kept` are those that fit, `left_out`
-- those that do
-- not: without a tenant, or their tenant's first. Without limits all fit.
create or replace function supaqueue_within_limits(
    lines job_claim_line[], candidates job_claim_candidate[], rooms job_limit_room[],
    out kept job_claim_candidate[], out left_out job_claim_candidate[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    a_limit record;
    queues text[];
    task_types text[];
    tenants text[];
    places bigint[];
    fits boolean[];
begin
    kept := candidates;
    left_out := '{}';
    if rooms is null then
        return;
    end if;
    -- What is no run matches no limit: it has no type here.
    select array_agg(c.queue order by c.n), array_agg(c.task_type order by c.n), array_agg(c.tenant order by c.n),
        array_agg(c.place order by c.n), array_agg(true)
    into queues, task_types, tenants, places, fits
    from (
        select k.*, row_number() over (order by k.key, k.queue, k.n) as place
        from (
            select c.n, l.queue, t.task_type, c.tenant, (row_number() over (
                partition by l.queue order by l.priority desc, c.rank, c.turn, c.n) - 1 + l.draw) / l.weight as key
            from unnest(candidates) with ordinality as c (line, rank, turn, tenant, job_id, task_number, position, bytes, n)
            cross join lateral (select (lines[c.line]).*) as l
            left join lateral (
                select b.task_type from job_tasks b
                where b.job_id = c.job_id and b.task_number = c.task_number and b.purpose = 'run' offset 0
            ) as t on true
        ) as k
    ) as c;
    for a_limit in
        select r.limit_id, r.queue, r.task_type, r.each_tenant, min(r.room) filter (where r.tenant is null) as room,
            jsonb_object_agg(r.tenant, r.room) filter (where r.tenant is not null) as of_tenants
        from unnest(rooms) as r
        group by r.limit_id, r.queue, r.task_type, r.each_tenant
        order by r.each_tenant desc, (r.queue is null)::integer + (r.task_type is null)::integer, r.limit_id
    loop
        fits := (
            select array_agg(case when m.matches then m.rank <= coalesce(
                (a_limit.of_tenants ->> m.tenant)::integer, a_limit.room) else m.fits end order by m.n)
            from (
                select c.*, row_number() over (
                    partition by c.matches, case when a_limit.each_tenant then c.tenant end order by c.place) as rank
                from (
                    select u.n, u.tenant, u.place, u.fits, (u.fits and u.task_type is not null
                        and (a_limit.queue is null or u.queue = a_limit.queue)
                        and (a_limit.task_type is null or u.task_type = a_limit.task_type)
                        and (not a_limit.each_tenant or u.tenant <> '')) is true as matches
                    from unnest(queues, task_types, tenants, places, fits) with ordinality
                        as u (queue, task_type, tenant, place, fits, n)
                ) as c
            ) as m
        );
    end loop;
    select coalesce(array_agg(c order by n) filter (where fits[n]), '{}'),
        coalesce(array_agg(c order by n) filter (where not fits[n] and (tenants[n] is null or (c).rank = 1)), '{}')
    into kept, left_out
    from (
        select row(u.line, u.rank, u.turn, u.tenant, u.job_id, u.task_number, u.position, u.bytes)::job_claim_candidate as c, u.n
        from unnest(candidates) with ordinality as u (line, rank, turn, tenant, job_id, task_number, position, bytes, n)
    ) as u;
end $$;
