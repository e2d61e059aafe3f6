-- Reads what a claim may choose of one line, about `want` tasks: of its tenants, and if the turn comes to what has no tenant, of
-- that: behind the mark first, it is older. Types and tenants at a limit (not in `open_types`; `full_tenants`, null without limits) are
-- passed over among the tenants; marks pass over nothing that they hold back.
drop function if exists supaqueue_read_line(job_claim_line, integer, job_claim_types, bigint, integer, integer, uuid[]);

create or replace function supaqueue_read_line(
    inout line job_claim_line, number integer, types job_claim_types, open_types job_claim_types, full_tenants jsonb, top bigint, want integer, most integer, tried uuid[],
    out candidates job_claim_candidate[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    tenants record;
    entries record;
    behind integer;
begin
    select * into tenants from supaqueue_read_tenants(line, number, open_types, full_tenants, want, tried);
    line := tenants.line;
    candidates := tenants.candidates;
    if tenants.turn_of_none is null then
        return;
    end if;
    select * into entries from supaqueue_read_entries(
        line, number, 0, tenants.turn_of_none, types, line.walk, line.walk_to, want, most);
    line.walk := entries.reached;
    candidates := candidates || entries.candidates;
    behind := cardinality(entries.candidates);
    select * into entries from supaqueue_read_entries(
        line, number, behind, tenants.turn_of_none, types, line.ahead, top, want - behind, most);
    line.ahead := entries.reached;
    candidates := candidates || entries.candidates;
    line.read_all := line.read_all and line.ahead >= top;
end $$;
