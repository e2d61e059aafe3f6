-- Sends jobs that wait here over to legacy, where their type goes back: each gets the next epoch, and a relay publishes it there
-- (`release_due`). What was started here stays, unless its type sends that too, and is held; so, always, does what has an order key or
-- several tasks, of which legacy knows nothing. The caller holds the jobs' locks.
-- Returns the ids of those that went over.
create or replace function supaqueue_hand_back(job_ids uuid[]) returns uuid[]
language plpgsql
set search_path from current
as $$
declare
    going uuid[];
    staying uuid[];
begin
    if job_ids is null or not exists (select from feature_flag f where f.hand_back <> 'none') then
        return null;
    end if;
    select array_agg(w.job_id) filter (where not w.is_bound and (w.hand_back = 'all' or w.hand_back = 'not_started' and not w.was_started)),
        array_agg(w.job_id) filter (where not w.held and (w.hand_back = 'not_started' and w.was_started or w.hand_back <> 'none' and w.is_bound))
    into going, staying
    from (
        select distinct on (j.job_id) j.job_id, j.held, supaqueue_goes_back(j.task_type) as hand_back, exists (
            select from job_task_attempts a where a.job_id = j.job_id and a.outcome <> 'not_started' offset 0) as was_started,
            j.on_failure is not null or exists (
                select from job_tasks t where t.job_id = j.job_id and t.order_key is not null offset 0) as is_bound
        from unnest(job_ids) as g (job_id)
        cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j
        where j.owner = 'supabase' and j.status in ('pending', 'processing') and (j.active_tasks = 0 or j.on_failure is not null)
            and j.cancel_requested_at is null
    ) as w;
    update jobs j set held = true
    from unnest(staying) as g (job_id)
    cross join lateral (select b.ctid as place from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place;
    perform supaqueue_hand_over(going);
    return going;
end $$;
