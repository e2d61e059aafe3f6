-- Where the tenants of each line go on after a claim under limits: behind the last one that was served, or where they were. Were they
-- to begin anew whenever all that may be had was read, those at the start would be served first each time that there is room again.
-- `before` are the lines as they were read, `settled` as supaqueue_settle_lines left them: that stands where tenants were left out.
create or replace function supaqueue_keep_turns(
    before job_claim_line[], settled job_claim_line[], candidates job_claim_candidate[], chosen boolean[]
) returns job_claim_line[]
language plpgsql immutable
set search_path from current
as $$
begin
    return (
        select array_agg(row(l.queue, l.weight, l.draw, l.priority, l.mark, l.walk_to, l.walk, l.ahead, l.left_behind,
            p.tenant, p.task_type, p.tenant, p.task_type, l.read_all)::job_claim_line order by l.n)
        from unnest(settled) with ordinality as l (queue, weight, draw, priority, mark, walk_to, walk, ahead, left_behind,
            tenant, task_type, next_tenant, next_type, read_all, n)
        cross join lateral (
            select coalesce(bool_or(not chosen[c.n]), false) as is_cut,
                (array_agg(c.tenant order by c.turn desc) filter (where chosen[c.n]))[1] as last
            from unnest(candidates) with ordinality as c (line, rank, turn, tenant, job_id, task_number, position, bytes, n)
            where c.line = l.n and c.tenant is not null
        ) as s
        cross join lateral (
            select case when s.is_cut then l.next_tenant else (before[l.n]).next_tenant end as tenant,
                case when s.is_cut then l.next_type else (before[l.n]).next_type end as task_type,
                s.last is not null and (l.next_tenant is null or not s.is_cut) as is_served offset 0
        ) as k
        cross join lateral (
            select case when k.is_served then s.last else k.tenant end as tenant,
                case when not k.is_served then k.task_type end as task_type offset 0
        ) as p
    );
end $$;
