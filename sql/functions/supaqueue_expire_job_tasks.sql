-- Fails waiting tasks of one queue whose deadline has passed, a bounded number. Not more than twice a second per mark. A task
-- enters this axis with a deadline that lies ahead of the clock, or on it.
create or replace function supaqueue_expire_job_tasks(
    queue_name text, inout mark job_claim_mark, xmin bigint, number bigint, out failed jsonb
)
language plpgsql volatile
set search_path from current
as $$
declare
    bound constant integer := 200;
    now_us constant bigint := supaqueue_microseconds(clock_timestamp());
    lowest bigint;
    walk_to bigint;
    seen record;
    ended_us bigint[];
begin
    failed := '[]';
    if mark.at between now_us - 500000 and now_us then
        return;
    end if;
    if supaqueue_mark_is_new(mark, now_us, xmin) then
        select supaqueue_microseconds(t.deadline_at) into lowest from job_tasks t
        where t.queue = queue_name and t.status = 'pending' and t.deadline_at is not null order by t.deadline_at limit 1;
    end if;
    mark := supaqueue_open_mark(mark, least(lowest, now_us), now_us, 60000000, xmin, number);
    walk_to := supaqueue_walk_to(mark, 1000000, 60000000);

    with behind as materialized (
        select t.job_id, t.task_number, t.deadline_at from job_tasks t
        where t.queue = queue_name and t.status = 'pending'
            and t.deadline_at > supaqueue_moment(mark.walk) and t.deadline_at <= supaqueue_moment(walk_to)
        order by t.deadline_at limit bound
    ), ahead as materialized (
        select t.job_id, t.task_number, t.deadline_at from job_tasks t
        where t.queue = queue_name and t.status = 'pending'
            and t.deadline_at > supaqueue_moment(mark.at) and t.deadline_at <= supaqueue_moment(now_us)
        order by t.deadline_at limit bound
    )
    select array_agg(c.job_id) as job_ids, array_agg(c.task_number) as task_numbers,
        array_agg(supaqueue_microseconds(c.deadline_at)) filter (where c.is_behind) as behind_us,
        count(*) filter (where c.is_behind) as behind, count(*) filter (where not c.is_behind) as ahead,
        max(supaqueue_microseconds(c.deadline_at)) filter (where c.is_behind) as last_behind,
        max(supaqueue_microseconds(c.deadline_at)) filter (where not c.is_behind) as last_ahead
    into seen
    from (select *, true as is_behind from behind union all select *, false from ahead) as c;

    if seen.job_ids is not null then
        select f.failed, f.ended_us into failed, ended_us
        from supaqueue_fail_late_job_tasks(seen.job_ids, seen.task_numbers) as f;
    end if;

    -- As for due tasks.
    mark := supaqueue_close_mark(mark,
        case when seen.ahead < bound then now_us else seen.last_ahead - (ended_us is not null)::integer end,
        case when seen.behind < bound then walk_to else seen.last_behind - (ended_us is not null)::integer end,
        (select min(us) from unnest(seen.behind_us) as us where us <> all (coalesce(ended_us, '{}'))));
end $$;
