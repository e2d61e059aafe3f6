-- Leases up to `want` ready tasks of one queue. What lies behind the mark goes first: it is older.
create or replace function supaqueue_claim_ready_job_tasks(
    queue_name text, types job_claim_types, want integer, lease interval, request_id uuid, worker_id text,
    inout mark job_claim_mark, inout bytes_left bigint, xmin bigint, number bigint, out tasks jsonb, out taken integer, out more boolean
)
language plpgsql volatile
set search_path from current
as $$
declare
    top bigint;
    lowest bigint;
    behind record;
    ahead record;
begin
    -- Read in a statement before the look ahead: whatever holds a lower position was numbered before this.
    select case when is_called then last_value else last_value - 1 end into top from job_task_position;
    if supaqueue_mark_is_new(mark, top, xmin) then
        select t.position into lowest from job_tasks t
        where t.queue = queue_name and t.status = 'pending' and t.position is not null order by t.position limit 1;
    end if;
    mark := supaqueue_open_mark(mark, lowest, top, 100000, xmin, number);

    select * into behind from supaqueue_lease_ready_job_tasks(queue_name, types, mark.walk,
        supaqueue_walk_to(mark, greatest(128, 2 * want), 4096), want, lease, request_id, worker_id, bytes_left);
    select * into ahead from supaqueue_lease_ready_job_tasks(queue_name, types, mark.at, top, want - behind.taken,
        lease, request_id, worker_id, behind.bytes_left);
    bytes_left := ahead.bytes_left;
    tasks := behind.tasks || ahead.tasks;
    taken := behind.taken + ahead.taken;
    more := taken = want or ahead.reached < top;
    mark := supaqueue_close_mark(mark, ahead.reached, behind.reached, behind.left_behind);
end $$;
