-- Whether supaqueue_promote_due_job_tasks would find anything in one queue, and where it would look behind the mark. Always so for
-- a mark that needs the lowest entry.
create or replace function supaqueue_look_for_due(
    queue_name text, inout mark job_claim_mark, now_us bigint, xmin bigint, number bigint, out walk_to bigint, out has_due boolean
)
language plpgsql volatile
set search_path from current
as $$
begin
    has_due := supaqueue_mark_is_new(mark, now_us, xmin);
    if not has_due then
        mark := supaqueue_open_mark(mark, null, now_us, 60000000, xmin, number);
        walk_to := supaqueue_walk_to(mark, 1000000, 60000000);
        has_due := exists (
            select from job_tasks t
            where t.queue = queue_name and t.status = 'pending' and t.position is null
                and t.run_at > supaqueue_moment(mark.walk) and t.run_at <= supaqueue_moment(walk_to)
        ) or exists (
            select from job_tasks t
            where t.queue = queue_name and t.status = 'pending' and t.position is null
                and t.run_at > supaqueue_moment(mark.at) and t.run_at <= supaqueue_moment(now_us));
    end if;
end $$;
