-- What the next claim is to know of these lines, by queue.
create or replace function supaqueue_close_lines(lines job_claim_line[], types_key text) returns jsonb
language plpgsql immutable
set search_path from current
as $$
begin
    return (
        select jsonb_object_agg(q.queue, jsonb_build_object(
            'types', types_key, 'ready', q.ready, 'lines', q.others))
        from (
            select l.queue, jsonb_object_agg(l.priority, m.mark) filter (where l.priority <> 0) as others,
                (array_agg(m.mark) filter (where l.priority = 0))[1] as ready
            from unnest(lines) as l
            cross join lateral supaqueue_close_mark(l.mark, l.ahead, l.walk, l.left_behind) as c
            cross join lateral (
                select case when l.next_tenant is null then to_jsonb(c)
                    else to_jsonb(c) || jsonb_build_object('tenant', l.next_tenant, 'task_type', l.next_type) end as mark
            ) as m
            group by l.queue
        ) as q
    );
end $$;
