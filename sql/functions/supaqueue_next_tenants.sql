-- The tenants of one line behind a place, as far as `up_to` if that is one: at most `want` who have tasks of a served type, each
-- with those types. Goes from one (tenant, task type) to the next along the index. `stopped_at` is the last one that was looked
-- at, its type null if the tenant is done; null itself if the end was reached. `heads` are their first tasks, if those will do:
-- each tenant has one type, and a claim may choose the first of it.
drop function if exists supaqueue_next_tenants(job_claim_line, integer, job_claim_types, integer, text, text, text, integer, uuid[]);

create or replace function supaqueue_next_tenants(
    line job_claim_line, line_number integer, types job_claim_types, full_tenants jsonb, turns_before integer, after_tenant text,
    after_type text, up_to text, want integer, tried uuid[],
    out tenants text[], out task_types text[], out number integer, out stopped_at text[], out heads job_claim_candidate[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    -- A thousand that are at a limit take some milliseconds.
    steps constant integer := 4 * want + case when full_tenants is null then 64 else 1000 end;
    -- Above every type, so that the rest of a tenant that is done is passed.
    last_type constant text := repeat(chr(1114111), 201);
    seen record;
begin
    with recursive pairs as (
        select 0 as step, coalesce(after_tenant, '') as tenant,
            case when after_tenant is null then '' else coalesce(after_type, last_type) end as task_type, false as is_served,
            false as has_served, 0 as number, true as fits, null::uuid as job_id, null::smallint as task_number,
            null::bigint as position, null::integer as payload_bytes
        union all
        select p.step + 1, n.tenant, n.task_type, n.is_served, n.is_served or n.tenant = p.tenant and p.has_served,
            p.number + (n.is_served and not (n.tenant = p.tenant and p.has_served))::integer, n.fits, n.job_id, n.task_number,
            n.position, n.payload_bytes
        from pairs p
        cross join lateral (
            select t.tenant, t.task_type, coalesce(t.task_type = any (types.run), false) and (full_tenants is null
                    or ((full_tenants -> t.tenant) ?| array['', t.task_type]) is not true) as is_served, t.job_id, t.task_number,
                t.position, t.payload_bytes, t.lost_leases < 2 and (t.deadline_at > at_once) is not false
                    and (t.job_id = any (tried)) is not true and (t.task_type = any (types.drain)) is not true as fits
            from job_tasks t
            where t.status = 'pending' and t.position is not null and t.tenant is not null
                and t.queue = line.queue and t.priority = line.priority
                and (t.tenant collate "C", t.task_type collate "C") > (p.tenant collate "C", p.task_type collate "C")
                and (up_to is null or t.tenant collate "C" <= up_to)
            order by t.tenant collate "C", t.task_type collate "C", t.position limit 1
        ) as n
        where p.step < steps and p.number <= want
    )
    select array_agg(p.tenant order by p.step) filter (where p.is_served and p.number <= want) as tenants,
        array_agg(p.task_type order by p.step) filter (where p.is_served and p.number <= want) as task_types,
        array_agg(row(line_number, 1, turns_before + p.number, p.tenant, p.job_id, p.task_number, p.position, p.payload_bytes
            )::job_claim_candidate order by p.step) filter (where p.is_served and p.number <= want) as heads,
        bool_and(p.fits or not p.is_served) as all_fit, least(max(p.number), want) as number,
        max(p.number) > want as is_full, max(p.step) = steps as is_cut,
        (array_agg(array[p.tenant, p.task_type] order by p.step desc) filter (where p.number <= want))[1:1] as last
    into seen
    from pairs p;
    tenants := seen.tenants;
    task_types := seen.task_types;
    number := seen.number;
    if seen.all_fit and cardinality(tenants) = number then
        heads := seen.heads;
    end if;
    if seen.is_full then
        stopped_at := array[seen.last[1][1], null];
    elsif seen.is_cut then
        stopped_at := array[seen.last[1][1], seen.last[1][2]];
    end if;
end $$;
