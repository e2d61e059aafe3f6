-- Reads what a claim may choose of its lines: of each queue from the highest priority on, until there is enough. `by_share`: of each
-- queue little more than its share; a next round reads on where there was not enough elsewhere. Of a queue at its limit it reads nothing.
-- Without limits it was called with one argument less.
drop function if exists supaqueue_read_lines(job_claim_line[], job_claim_types, bigint, integer, boolean, integer, uuid[]);

create or replace function supaqueue_read_lines(
    inout lines job_claim_line[], types job_claim_types, rooms job_limit_room[], top bigint, want integer, by_share boolean, entries_each integer,
    tried uuid[], out candidates job_claim_candidate[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    weights constant double precision := (
        select sum(q.weight) from (select max(u.weight) as weight from unnest(lines) as u group by u.queue) as q);
    queue text;
    enough integer;
    line job_claim_line;
    read record;
    open_types job_claim_types := types;
    held_back record;
    full_tenants jsonb;
begin
    candidates := '{}';
    for number in 1 .. cardinality(lines) loop
        line := lines[number];
        if line.queue is distinct from queue then
            queue := line.queue;
            enough := case when by_share and line.weight < weights
                then least(want, ceil(1.1 * want * line.weight / weights) + 3) else want end;
            if rooms is not null then
                held_back := supaqueue_held_back(rooms, queue);
                enough := least(enough, held_back.room);
                full_tenants := coalesce(held_back.tenants, '{}');
                open_types := case when held_back.types is null then types
                    else supaqueue_without_types(types, held_back.types) end;
            end if;
        end if;
        continue when enough <= 0 or line.read_all;
        read := supaqueue_read_line(line, number, types, open_types, full_tenants, top, enough, entries_each, tried);
        lines[number] := read.line;
        candidates := candidates || read.candidates;
        enough := enough - cardinality(read.candidates);
    end loop;
end $$;
