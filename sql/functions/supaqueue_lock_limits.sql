-- The limits that may hold back what a claim of these queues and types takes, locked in the order of their ids, so that such claims
-- go one after the other: only claims add leases, so what is counted after this holds until the claim commits. A claim that waits
-- here holds nothing that another claim or an ending could wait for. Null without limits.
create or replace function supaqueue_lock_limits(queues text[], task_types text[]) returns job_running_limits[]
language plpgsql volatile
set search_path from current
as $$
begin
    if not exists (select from job_running_limits) then
        return null;
    end if;
    return (
        select array_agg(l.locked) from (
            select b as locked from job_running_limits b
            where (b.queue is null or b.queue = any (queues)) and (b.task_type is null or b.task_type = any (task_types))
            order by b.limit_id for update
        ) as l
    );
end $$;
