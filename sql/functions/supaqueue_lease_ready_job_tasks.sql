-- Leases up to `want` ready tasks of one queue with a position above `above`, up to `up_to`: picks candidates unlocked, then
-- locks their jobs and checks again. Reads on past what other sessions hold, but a bounded way. `reached` is how far it read,
-- `left_behind` the lowest position that it saw and did not take.
create or replace function supaqueue_lease_ready_job_tasks(
    queue_name text, task_types text[], above bigint, up_to bigint, want integer, lease interval, request_id uuid,
    worker_id text, out tasks jsonb, out taken integer, out reached bigint, out left_behind bigint
)
language plpgsql volatile
set search_path from current
as $$
declare
    candidates_left integer := want + 200;
    wanted integer;
    seen record;
    leased record;
begin
    tasks := '[]';
    taken := 0;
    reached := above;
    while taken < want and reached < up_to and candidates_left > 0 loop
        wanted := least(want - taken, candidates_left);
        select array_agg(c.job_id) as job_ids, array_agg(c.task_number) as task_numbers,
            array_agg(c.position) as positions, count(*) as candidates, max(c.position) as last_position
        into seen
        from (
            select t.job_id, t.task_number, t.position from job_tasks t
            where t.queue = queue_name and t.status = 'pending'
                and t.position > reached and t.position <= up_to and t.task_type = any (task_types)
            order by t.position limit wanted
        ) as c;
        candidates_left := candidates_left - wanted;
        reached := case when seen.candidates < wanted then up_to else seen.last_position end;
        if seen.candidates > 0 then
            select * into leased
            from supaqueue_lease_job_tasks(seen.job_ids, seen.task_numbers, lease, request_id, worker_id);
            tasks := tasks || leased.tasks;
            taken := taken + cardinality(leased.positions);
            left_behind := least(left_behind,
                (select min(p) from unnest(seen.positions) as p where p <> all (leased.positions)));
        end if;
    end loop;
end $$;
