-- Ends leases of one queue that have expired, a bounded number: whoever claims rescues. Not more than twice a second per mark.
-- `failed`: the tasks that this was the end of.
create or replace function supaqueue_rescue_job_tasks(
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
    free_jobs uuid[];
    endings jsonb;
begin
    failed := '[]';
    if mark.at between now_us - 500000 and now_us then
        return;
    end if;
    if supaqueue_mark_is_new(mark, now_us, xmin) then
        select supaqueue_microseconds(t.lease_expires_at) into lowest from job_tasks t
        where t.queue = queue_name and t.status in ('claimed', 'processing') order by t.lease_expires_at limit 1;
    end if;
    mark := supaqueue_open_mark(mark, least(lowest, now_us), now_us, 60000000, xmin, number);
    walk_to := supaqueue_walk_to(mark, 1000000, 60000000);

    with behind as materialized (
        select t.job_id, t.task_number, t.lease_expires_at, t.lease_token from job_tasks t
        where t.queue = queue_name and t.status in ('claimed', 'processing')
            and t.lease_expires_at > supaqueue_moment(mark.walk) and t.lease_expires_at <= supaqueue_moment(walk_to)
        order by t.lease_expires_at limit bound
    ), ahead as materialized (
        select t.job_id, t.task_number, t.lease_expires_at, t.lease_token from job_tasks t
        where t.queue = queue_name and t.status in ('claimed', 'processing')
            and t.lease_expires_at > supaqueue_moment(mark.at) and t.lease_expires_at <= supaqueue_moment(now_us)
        order by t.lease_expires_at limit bound
    )
    select array_agg(c.job_id) as job_ids, array_agg(c.task_number) as task_numbers,
        count(*) filter (where c.is_behind) as behind, count(*) filter (where not c.is_behind) as ahead,
        max(supaqueue_microseconds(c.lease_expires_at)) filter (where c.is_behind) as last_behind,
        max(supaqueue_microseconds(c.lease_expires_at)) filter (where not c.is_behind) as last_ahead,
        min(supaqueue_microseconds(c.lease_expires_at)) filter (where c.is_behind) as first_behind
    into seen
    from (select *, true as is_behind from behind union all select *, false from ahead) as c;

    if seen.job_ids is not null then
        free_jobs := supaqueue_lock_free_jobs(seen.job_ids);
        select jsonb_agg(jsonb_build_object('job_id', t.job_id, 'task_number', t.task_number,
            'lease_token', t.lease_token, 'outcome', 'lease_lost',
            'error', supaqueue_lease_error(t.task, supaqueue_moment(now_us))))
        into endings
        from unnest(seen.job_ids, seen.task_numbers) as u (job_id, task_number)
        cross join lateral (
            select b.*, b as task from job_tasks b
            where b.job_id = u.job_id and b.task_number = u.task_number offset 0
        ) as t
        where t.job_id = any (free_jobs) and t.status in ('claimed', 'processing')
            and t.lease_expires_at <= supaqueue_moment(now_us);
        if endings is not null then
            failed := supaqueue_end_leases(endings, null);
        end if;
    end if;

    -- As for due tasks. What was seen behind and is held by another session stays in reach: the floor does not pass the
    -- first of them.
    mark := supaqueue_close_mark(mark,
        case when seen.ahead < bound then now_us else seen.last_ahead - (endings is not null)::integer end,
        case when seen.behind < bound then walk_to else seen.last_behind - (endings is not null)::integer end,
        seen.first_behind);
end $$;
