-- What a claim may choose of the tenants of one line, who are served in turn: of each, from where the last claim ended, its first
-- tasks. A tenant's many tasks, served here or not, hide nobody's. Nothing is remembered of what was read, so what commits late is
-- seen when its tenant's turn comes. Tasks without a tenant have their turn where the round begins anew: `turn_of_none`, null if
-- it did not come that far. With limits the place stays where it was if the end was reached: see supaqueue_keep_turns.
drop function if exists supaqueue_read_tenants(job_claim_line, integer, job_claim_types, integer, uuid[]);

create or replace function supaqueue_read_tenants(
    inout line job_claim_line, line_number integer, types job_claim_types, full_tenants jsonb, want integer, tried uuid[],
    out candidates job_claim_candidate[], out turn_of_none integer
)
language plpgsql volatile
set search_path from current
as $$
declare
    here record;
    anew record;
    ended_at text[];
    deep integer;
begin
    select * into here
    from supaqueue_next_tenants(line, line_number, types, full_tenants, 0, line.tenant, line.task_type, null, want, tried);
    ended_at := here.stopped_at;
    deep := ceil(want::numeric / greatest(here.number, 1));
    if here.stopped_at is null then
        turn_of_none := here.number + 1;
    end if;
    if turn_of_none <= want and line.tenant is not null then
        select * into anew from supaqueue_next_tenants(
            line, line_number, types, full_tenants, turn_of_none, null, null, line.tenant, want - here.number, tried);
        ended_at := anew.stopped_at;
        deep := ceil(want::numeric / greatest(here.number + anew.number, 1));
        candidates := supaqueue_first_of_tenants(
            line, line_number, types, anew.tenants, anew.task_types, anew.heads, turn_of_none, deep, tried);
    end if;
    candidates := coalesce(candidates, '{}') || supaqueue_first_of_tenants(
        line, line_number, types, here.tenants, here.task_types, here.heads, 0, deep, tried);
    if ended_at is not null or full_tenants is null then
        line.next_tenant := ended_at[1];
        line.next_type := ended_at[2];
    end if;
    line.read_all := ended_at is null;
end $$;
