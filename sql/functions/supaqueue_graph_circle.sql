-- The number of a task that runs after itself, by whatever way; null if there is none. Edge i: `children[i]` runs after `parents[i]`;
-- edges come in the order of their children. Kahn's algorithm, on arrays: each task and each edge is looked at once.
create or replace function supaqueue_graph_circle(task_count integer, children integer[], parents integer[]) returns integer
language plpgsql immutable
set search_path from current
as $$
declare
    waits_for integer[] := array_fill(0, array[task_count]);
    -- A list per task of the edges that leave it: its first, and after each the next. All counted from 1.
    first_edge integer[] := array_fill(0, array[task_count]);
    next_edge integer[] := array_fill(0, array[greatest(coalesce(cardinality(children), 0), 1)]);
    lowest_before integer[] := array_fill(0, array[task_count]);
    free integer[] := array_fill(0, array[task_count]);
    n_free integer := 0;
    looked_at integer := 0;
    child integer;
    edge integer;
begin
    if children is null or not exists (select from unnest(children, parents) as e (child, parent) where e.parent >= e.child) then
        return null;
    end if;
    for i in 1 .. cardinality(children) loop
        waits_for[children[i] + 1] := waits_for[children[i] + 1] + 1;
        next_edge[i] := first_edge[parents[i] + 1];
        first_edge[parents[i] + 1] := i;
    end loop;
    for i in 1 .. task_count loop
        if waits_for[i] = 0 then
            n_free := n_free + 1;
            free[n_free] := i;
        end if;
    end loop;
    while looked_at < n_free loop
        looked_at := looked_at + 1;
        edge := first_edge[free[looked_at]];
        while edge > 0 loop
            child := children[edge] + 1;
            waits_for[child] := waits_for[child] - 1;
            if waits_for[child] = 0 then
                n_free := n_free + 1;
                free[n_free] := child;
            end if;
            edge := next_edge[edge];
        end loop;
    end loop;
    if n_free = task_count then
        return null;
    end if;
    -- What is left waits for a circle or is in one: from task to task before it, as often as there are tasks, ends in one.
    for i in reverse cardinality(children) .. 1 loop
        if waits_for[children[i] + 1] > 0 and waits_for[parents[i] + 1] > 0 then
            lowest_before[children[i] + 1] := parents[i] + 1;
        end if;
    end loop;
    child := (select min(u.n) from unnest(waits_for) with ordinality as u (left_over, n) where u.left_over > 0);
    for i in 1 .. task_count loop
        child := lowest_before[child];
    end loop;
    return child - 1;
end $$;
