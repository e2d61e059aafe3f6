-- Makes due tasks of one queue ready, a bounded number, in the order of their run_at; each draws its position here.
create or replace function supaqueue_promote_due_job_tasks(
    queue_name text, mark job_claim_mark, xmin bigint, number bigint
) returns job_claim_mark
language plpgsql volatile
set search_path from current
as $$
declare
    bound constant integer := 200;
    now_us constant bigint := supaqueue_microseconds(clock_timestamp());
    lowest bigint;
    walk_to bigint;
    seen record;
    free_jobs uuid[];
    promoted_us bigint[];
begin
    if supaqueue_mark_is_new(mark, now_us, xmin) then
        select supaqueue_microseconds(t.run_at) into lowest from job_tasks t
        where t.queue = queue_name and t.status = 'pending' and t.position is null order by t.run_at limit 1;
    end if;
    mark := supaqueue_open_mark(mark, least(lowest, now_us), now_us, 60000000, xmin, number);
    walk_to := supaqueue_walk_to(mark, 1000000, 60000000);

    with behind as materialized (
        select t.job_id, t.task_number, t.run_at from job_tasks t
        where t.queue = queue_name and t.status = 'pending' and t.position is null
            and t.run_at > supaqueue_moment(mark.walk) and t.run_at <= supaqueue_moment(walk_to)
        order by t.run_at limit bound
    ), ahead as materialized (
        select t.job_id, t.task_number, t.run_at from job_tasks t
        where t.queue = queue_name and t.status = 'pending' and t.position is null
            and t.run_at > supaqueue_moment(mark.at) and t.run_at <= supaqueue_moment(now_us)
        order by t.run_at limit bound
    )
    select array_agg(c.job_id) as job_ids, array_agg(c.task_number) as task_numbers,
        array_agg(supaqueue_microseconds(c.run_at)) filter (where c.is_behind) as behind_us,
        count(*) filter (where c.is_behind) as behind, count(*) filter (where not c.is_behind) as ahead,
        max(supaqueue_microseconds(c.run_at)) filter (where c.is_behind) as last_behind,
        max(supaqueue_microseconds(c.run_at)) filter (where not c.is_behind) as last_ahead
    into seen
    from (select *, true as is_behind from behind union all select *, false from ahead) as c;

    if seen.job_ids is not null then
        free_jobs := supaqueue_lock_free_jobs(seen.job_ids);
        with moved as (
            update job_tasks t set position = c.position
            from (
                select o.job_id, o.task_number, nextval('job_task_position') as position
                from (
                    select u.job_id, u.task_number from unnest(seen.job_ids, seen.task_numbers)
                        with ordinality as u (job_id, task_number, n)
                    where u.job_id = any (free_jobs) order by u.n
                ) as o
            ) as c
            cross join lateral (
                select b.ctid as place, b.status, b.position, b.run_at from job_tasks b
                where b.job_id = c.job_id and b.task_number = c.task_number offset 0
            ) as before
            where t.ctid = before.place
                and before.status = 'pending' and before.position is null and before.run_at <= supaqueue_moment(now_us)
            returning supaqueue_microseconds(t.run_at) as us
        )
        select array_agg(us) into promoted_us from moved;
    end if;

    -- Several tasks may share a moment, so a full look ends just before its last one; but after it if nothing moved, since
    -- other sessions hold what it saw.
    return supaqueue_close_mark(mark,
        case when seen.ahead < bound then now_us else seen.last_ahead - (promoted_us is not null)::integer end,
        case when seen.behind < bound then walk_to else seen.last_behind - (promoted_us is not null)::integer end,
        (select min(us) from unnest(seen.behind_us) as us where us <> all (coalesce(promoted_us, '{}'))));
end $$;
