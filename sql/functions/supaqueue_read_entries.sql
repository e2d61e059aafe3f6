-- Up to `want` tasks of one line without a tenant that a claim may choose, with a position above `above`, up to `up_to`. Passes
-- over, among at most `most` entries, types that are not served, tasks that are claimed alone, and those whose deadline has passed,
-- which supaqueue_expire_job_tasks will find. `reached` is how far it read.
create or replace function supaqueue_read_entries(
    line job_claim_line, number integer, rank integer, turn integer, types job_claim_types, above bigint, up_to bigint,
    want integer, most integer, out candidates job_claim_candidate[], out reached bigint
)
language plpgsql volatile
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    seen record;
begin
    candidates := '{}';
    reached := up_to;
    if above >= up_to or want <= 0 then
        reached := least(above, up_to);
        return;
    end if;
    -- Row comparisons, so that no other index will do: job_tasks_ready would read every priority, and what has a tenant.
    select coalesce(array_agg(row(number, rank + e.n_fit, turn, null, e.job_id, e.task_number, e.position, e.payload_bytes
            )::job_claim_candidate order by e.position) filter (where e.fits), '{}') as fitting,
        count(*) filter (where e.fits) as fit, max(e.position) as last, bool_or(e.n = most) as is_cut
    into seen
    from (
        select d.*, row_number() over () as n_fit from (
            select * from (
                select c.*, row_number() over () as n from (
                    select t.job_id, t.task_number, t.position, t.payload_bytes,
                        coalesce(t.task_type = any (
                            case t.purpose when 'run' then types.run when 'shadow' then types.shadow else types.probe end), false)
                        and t.lost_leases < 2 and (t.deadline_at > at_once) is not false as fits
                    from job_tasks t
                    where t.status = 'pending' and t.position is not null and t.tenant is null
                        and (t.queue, t.priority, t.position) > (line.queue, line.priority, above)
                        and (t.queue, t.priority, t.position) <= (line.queue, line.priority, up_to)
                    order by t.queue, t.priority, t.position limit most
                ) as c
            ) as b
            where b.fits or b.n = most limit want
        ) as d
    ) as e;
    candidates := seen.fitting;
    if seen.fit = want or seen.is_cut then
        reached := seen.last;
    end if;
end $$;
