-- supaqueue_settle_lines where limits left something out of what was read: what is of a limited type is set apart, so that the line
-- goes on behind it; before what a limit of its queue holds back, it stays. What others hold meanwhile is passed, like all that they hold.
create or replace function supaqueue_settle_limited_lines(
    inout lines job_claim_line[], kept job_claim_candidate[], chosen boolean[], missed uuid[], left_out job_claim_candidate[],
    limits job_running_limits[], top bigint, out moved integer
)
language plpgsql volatile
set search_path from current
as $$
declare
    before constant job_claim_line[] := lines;
    apart record;
    passed boolean[];
begin
    select * into apart from supaqueue_set_apart(lines, left_out, limits, top);
    moved := apart.moved;
    passed := array(
        select u.tenant is null and coalesce(u.job_id = any (apart.held), false) from unnest(left_out) with ordinality
            as u (line, rank, turn, tenant, job_id, task_number, position, bytes, n) order by u.n);
    lines := supaqueue_settle_lines(lines, kept || left_out, chosen || passed, missed || apart.held);
    lines := supaqueue_keep_turns(before, lines, kept || left_out, chosen || passed);
end $$;
