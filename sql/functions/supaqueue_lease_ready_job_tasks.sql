-- Leases up to `want` ready tasks of one queue with a position above `above`, up to `up_to`, or payloads of `bytes_left`: picks
-- candidates unlocked, then locks their jobs and checks again. Passes over what other sessions hold, types that are not served,
-- tasks that are claimed alone and those whose deadline has passed, which supaqueue_expire_job_tasks will find, but a bounded
-- number. `reached` is how far it read, `left_behind` the lowest position that it wanted and did not get.
create or replace function supaqueue_lease_ready_job_tasks(
    queue_name text, types job_claim_types, above bigint, up_to bigint, want integer, lease interval, request_id uuid,
    worker_id text, inout bytes_left bigint, out tasks jsonb, out taken integer, out reached bigint, out left_behind bigint
)
language plpgsql volatile
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    entries_left integer := 10000;
    entry record;
    read_all boolean;
    job_ids uuid[];
    task_numbers smallint[];
    positions bigint[];
    leased record;
begin
    tasks := '[]';
    taken := 0;
    reached := above;
    while taken < want and reached < up_to and entries_left > 0 and bytes_left > 0 loop
        job_ids := '{}';
        task_numbers := '{}';
        positions := '{}';
        read_all := true;
        for entry in
            select t.job_id, t.task_number, t.position, t.task_type, t.lost_leases, t.payload_bytes, t.deadline_at, t.purpose from job_tasks t
            where t.queue = queue_name and t.status = 'pending' and t.position > reached and t.position <= up_to
            order by t.position
        loop
            reached := entry.position;
            entries_left := entries_left - 1;
            if entry.task_type = any (case entry.purpose when 'run' then types.run when 'shadow' then types.shadow else types.probe end)
                and entry.lost_leases < 2
                and (entry.deadline_at > at_once) is not false then
                job_ids := job_ids || entry.job_id;
                task_numbers := task_numbers || entry.task_number;
                positions := positions || entry.position;
                bytes_left := bytes_left - entry.payload_bytes;
            end if;
            if entries_left = 0 or bytes_left <= 0 or cardinality(positions) = want - taken then
                read_all := false;
                exit;
            end if;
        end loop;
        if read_all then
            reached := up_to;
        end if;
        if cardinality(positions) > 0 then
            select * into leased from supaqueue_lease_job_tasks(job_ids, task_numbers, types, lease, request_id, worker_id);
            tasks := tasks || leased.tasks;
            taken := taken + cardinality(leased.positions);
            left_behind := least(left_behind,
                (select min(p) from unnest(positions) as p where p <> all (leased.positions)));
        end if;
    end loop;
end $$;
