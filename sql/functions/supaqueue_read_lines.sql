-- Reads what a claim may choose of its lines: of each queue from the highest priority on, until there is enough. `by_share`: of each
-- queue little more than its share; a next round reads on where there was not enough elsewhere.
create or replace function supaqueue_read_lines(
    inout lines job_claim_line[], types job_claim_types, top bigint, want integer, by_share boolean, entries_each integer,
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
begin
    candidates := '{}';
    for number in 1 .. cardinality(lines) loop
        line := lines[number];
        if line.queue is distinct from queue then
            queue := line.queue;
            enough := case when by_share and line.weight < weights
                then least(want, ceil(1.1 * want * line.weight / weights) + 3) else want end;
        end if;
        continue when enough <= 0 or line.read_all;
        read := supaqueue_read_line(line, number, types, top, enough, entries_each, tried);
        lines[number] := read.line;
        candidates := candidates || read.candidates;
        enough := enough - cardinality(read.candidates);
    end loop;
end $$;
