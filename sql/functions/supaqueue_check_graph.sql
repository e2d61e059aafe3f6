-- Refuses the tasks of one job unless each has a name of its own and runs after others of them, none after itself by whatever way.
create or replace function supaqueue_check_graph(place text, tasks jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    most_tasks constant integer := 20000;
    most_edges constant integer := 100000;
    names jsonb;
    refused record;
    edges record;
    circle integer;
begin
    perform supaqueue_check_rows(place || '[%s]', tasks,
        '{"name": "1 to 200 characters", "task_type": "1 to 200 characters", "payload": "JSON", "after": "an array of names",
          "max_attempts": "1 to 1000", "retry_delay_seconds": "a number", "retry_factor": "a number",
          "retry_max_delay_seconds": "a number", "retry_jitter": "a boolean", "timeout_seconds": "a number"}',
        array['name', 'task_type']);
    if jsonb_array_length(tasks) not between 1 and most_tasks then
        raise exception using errcode = 'SQ003', message = format('%s: expected 1 to %s tasks', place, most_tasks);
    end if;
    select e.number, e.problem into refused
    from (
        select b.n - 1 as number, case when b.element ?| array['retry_delay_seconds', 'retry_factor', 'retry_max_delay_seconds',
            'timeout_seconds'] then supaqueue_retry_problem(b.element) end as problem
        from jsonb_array_elements(tasks) with ordinality as b (element, n) offset 0
    ) as e
    where e.problem is not null order by e.number limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('%s[%s].%s', place, refused.number, refused.problem);
    end if;

    -- A map, and no join: the planner knows nothing of how many there are.
    names := (
        select jsonb_object_agg(e.element ->> 'name', e.n - 1 order by e.n desc)
        from jsonb_array_elements(tasks) with ordinality as e (element, n));
    select e.n - 1 as number into refused
    from jsonb_array_elements(tasks) with ordinality as e (element, n)
    where (names -> (e.element ->> 'name'))::integer <> e.n - 1 order by e.n limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('%s[%s].name: another task of the job has it', place, refused.number);
    end if;

    select array_agg(a.child order by a.child, a.m) as children, array_agg(a.parent order by a.child, a.m) as parents,
        array_agg(a.m order by a.child, a.m) as places
    into edges
    from (
        select (e.n - 1)::integer as child, (names -> r.name)::integer as parent, (r.m - 1)::integer as m
        from jsonb_array_elements(tasks) with ordinality as e (element, n)
        cross join lateral jsonb_array_elements_text(
            case jsonb_typeof(e.element -> 'after') when 'array' then e.element -> 'after' else '[]' end) with ordinality as r (name, m)
    ) as a;
    if cardinality(edges.children) > most_edges then
        raise exception using errcode = 'SQ003', message = format('%s: expected at most %s names in all after', place, most_edges);
    end if;
    select u.child, u.m, u.parent is null as is_unknown into refused
    from (
        select b.*, lag(b.parent) over (partition by b.child order by b.parent, b.m) = b.parent as is_again
        from unnest(edges.children, edges.parents, edges.places) as b (child, parent, m)
    ) as u
    where u.parent is null or u.is_again order by u.child, u.m limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('%s[%s].after[%s]: %s', place, refused.child, refused.m,
            case when refused.is_unknown then 'no task of the job has this name' else 'is there twice' end);
    end if;
    circle := supaqueue_graph_circle(jsonb_array_length(tasks), edges.children, edges.parents);
    if circle is not null then
        raise exception using errcode = 'SQ003', message = format('%s[%s].after: leads round in a circle, back to this task', place, circle);
    end if;
end $$;
