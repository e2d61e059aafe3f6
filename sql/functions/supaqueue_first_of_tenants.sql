-- The first `deep` tasks that a claim may choose of each of these tenants, who are served in turn. What was tried in this claim, is
-- claimed alone, is late, or of a drained type and not held, is passed over, a bounded number.
create or replace function supaqueue_first_of_tenants(
    line job_claim_line, number integer, types job_claim_types, tenants text[], task_types text[],
    heads job_claim_candidate[], turns_before integer, deep integer, tried uuid[]
) returns job_claim_candidate[]
language plpgsql volatile
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    passed constant integer := deep + 200 + coalesce(cardinality(tried), 0);
begin
    if tenants is null then
        return '{}';
    elsif deep = 1 and heads is not null then
        return heads;
    end if;
    return coalesce((
        select array_agg(row(number, c.rank, turns_before + c.turn, c.tenant, c.job_id, c.task_number, c.position,
            c.payload_bytes)::job_claim_candidate order by c.rank, c.turn)
        from (
            select p.tenant, p.turn, e.*, row_number() over (partition by p.turn order by e.position) as rank
            from (
                select u.tenant, u.task_type, dense_rank() over (order by u.tenant collate "C") as turn
                from unnest(tenants, task_types) as u (tenant, task_type)
            ) as p
            cross join lateral (
                select f.* from (
                    select t.job_id, t.task_number, t.position, t.payload_bytes,
                        t.lost_leases < 2 and (t.deadline_at > at_once) is not false
                        and (t.job_id = any (tried)) is not true
                        and ((t.task_type = any (types.drain)) is not true
                            or (select j.held from jobs j where j.job_id = t.job_id)) as fits
                    from job_tasks t
                    where t.status = 'pending' and t.position is not null and t.tenant is not null
                        and t.queue = line.queue and t.priority = line.priority and t.tenant collate "C" = p.tenant
                        and t.task_type collate "C" = p.task_type
                    order by t.tenant collate "C", t.task_type collate "C", t.position
                    limit case when p.task_type = any (types.drain) then 10000 else passed end
                ) as f
                where f.fits limit deep
            ) as e
        ) as c
        where c.rank <= deep
    ), '{}');
end $$;
