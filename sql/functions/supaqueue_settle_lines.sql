-- Notes on each line how far a claim came: what it chose of a line are the first of its candidates, so what was read counts up to
-- the first that was not chosen, and tenants go on after the last one that was. What was chosen behind the mark and not got is
-- left behind. Lines that were not read stay as they are.
create or replace function supaqueue_settle_lines(
    lines job_claim_line[], candidates job_claim_candidate[], chosen boolean[], lost uuid[]
) returns job_claim_line[]
language plpgsql immutable
set search_path from current
as $$
begin
    return (
        select array_agg(row(l.queue, l.weight, l.draw, l.priority, l.mark, l.walk_to,
            least(l.walk, s.behind - 1), least(l.ahead, s.ahead - 1), least(l.left_behind, s.left_behind),
            p.tenant, p.task_type, p.tenant, p.task_type, l.read_all and not s.is_cut and s.n_lost = 0)::job_claim_line order by l.n)
        from unnest(lines) with ordinality as l (queue, weight, draw, priority, mark, walk_to, walk, ahead, left_behind,
            tenant, task_type, next_tenant, next_type, read_all, n)
        cross join lateral (
            select min(c.position) filter (where c.tenant is null and not chosen[c.n] and c.position <= (l.mark).at) as behind,
                min(c.position) filter (where c.tenant is null and not chosen[c.n] and c.position > (l.mark).at) as ahead,
                min(c.position) filter (where c.tenant is null and c.position <= (l.mark).at and c.job_id = any (lost)) as left_behind,
                coalesce(bool_or(not chosen[c.n]), false) as is_cut, count(*) filter (where c.job_id = any (lost)) as n_lost,
                (array_agg(row(c.line, c.rank, c.turn, c.tenant, null, null, null, null)::job_claim_candidate
                    order by c.rank desc, c.turn desc) filter (where chosen[c.n]))[1] as last
            from unnest(candidates) with ordinality as c (line, rank, turn, tenant, job_id, task_number, position, bytes, n)
            where c.line = l.n
        ) as s
        cross join lateral (
            select case when not s.is_cut then l.next_tenant when s.last is null then l.tenant else (s.last).tenant end as tenant,
                case when not s.is_cut then l.next_type when s.last is null then l.task_type end as task_type offset 0
        ) as p
    );
end $$;
