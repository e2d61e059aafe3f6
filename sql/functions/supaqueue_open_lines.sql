-- The lines that a claim reads: of each queue its priorities, highest first, each with its mark open. Ready tasks of one queue and
-- priority are a line. Those without a tenant are read behind and ahead of a mark, up to `top`; tenants are served in turn.
-- `draw` is exponential by chance, drawn for each queue and claim: over many claims queues are first as their weights say.
create or replace function supaqueue_open_lines(
    queues text[], weights jsonb, marks jsonb, types_key text, least_step bigint, request_id uuid, top bigint, xmin bigint,
    number bigint
) returns job_claim_line[]
language plpgsql volatile
set search_path from current
as $$
begin
    return (
        select array_agg(row(l.queue, l.weight, l.draw, l.priority, m,
            supaqueue_walk_to(m, least_step, 4096), m.walk, m.at, null,
            p.tenant, p.task_type, p.tenant, p.task_type, false)::job_claim_line order by l.draw / l.weight, l.queue, l.priority desc)
        from (
            select q.queue, p.priority, coalesce((weights ->> q.queue)::double precision, 1) as weight,
                -ln(((hashtextextended(q.queue, hashtextextended(request_id::text, 0)) & 9007199254740991) + 1)
                    / 9007199254740993::double precision) as draw,
                case when marks -> q.queue ->> 'types' = types_key then case p.priority
                    when 0 then marks -> q.queue else marks -> q.queue -> 'lines' end end as given,
                case p.priority when 0 then 'ready' else p.priority::text end as axis
            from (select distinct u.queue from unnest(queues) as u (queue)) as q
            cross join lateral (
                select 0::smallint as priority union all (select distinct b.priority from job_lines b where b.queue = q.queue)
            ) as p
        ) as l
        cross join lateral (select supaqueue_read_mark(l.given, l.axis) as mark offset 0) as g
        cross join lateral (
            select case when supaqueue_mark_is_new(g.mark, top, xmin) then (
                select t.position from job_tasks t
                where t.status = 'pending' and t.position is not null and t.tenant is null
                    and (t.queue, t.priority, t.position) > (l.queue, l.priority, 0)
                    and (t.queue, t.priority, t.position) <= (l.queue, l.priority, top)
                order by t.queue, t.priority, t.position limit 1) end as lowest offset 0
        ) as w
        cross join lateral (
            select l.given -> l.axis ->> 'tenant' as tenant, l.given -> l.axis ->> 'task_type' as task_type offset 0
        ) as p
        cross join lateral supaqueue_open_mark(g.mark, w.lowest, top, 100000, xmin, number) as m
    );
end $$;
