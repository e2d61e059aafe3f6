-- The one way in for new jobs: see enqueue_jobs_v1, of which this is all but the version, and enqueue_jobs. Rows go in in id order, so
-- that two sessions with the same ids cannot deadlock. What ticks is not limited.
create or replace function supaqueue_enqueue_jobs(new_jobs jsonb, is_limited boolean) returns jsonb
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    at_once timestamptz;
    created uuid[];
    stored record;
    answers jsonb;
    asks_for_keys boolean;
    has_graphs boolean;
    waits jsonb := '{}';
begin
    perform supaqueue_check_new_jobs(new_jobs);
    -- The transaction has its number before it draws a position or looks at the clock: claims rely on that order.
    perform pg_current_xact_id();
    at_once := clock_timestamp();
    if is_limited and exists (select from job_waiting_limits) then
        waits := supaqueue_check_waiting(new_jobs);
    end if;
    if new_jobs @? '$[*].order_key' then
        perform supaqueue_check_ordered_types(new_jobs);
    end if;
    asks_for_keys := new_jobs @? '$[*].unique_key';
    has_graphs := new_jobs @? '$[*].tasks';

    loop
        if asks_for_keys then
            select * into stored from supaqueue_store_unique_jobs(new_jobs, at_once);
        else
            select * into stored from supaqueue_store_jobs(new_jobs, at_once);
        end if;
        if has_graphs then
            perform supaqueue_store_graphs(new_jobs, stored.created, at_once);
        end if;
        created := created || stored.created;
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'owner', j.owner, 'epoch', coalesce(j.epoch, 0), 'answer', case
                when j.deduped_as is not null and j.content_hash = g.content_hash then j.deduped_as
                when c.job_id is not null and g.first then 'created'
                when j.job_id is null then 'flag_changed'
                when j.abandoned_at is null and j.content_hash = g.content_hash then 'exists'
                else 'conflict' end)
            || case when j.deduped_into is not null and j.content_hash = g.content_hash
                then jsonb_build_object('deduped_into', j.deduped_into) else '{}' end
            || case when waits ? g.queue then jsonb_build_object('wait_seconds', waits -> g.queue) else '{}' end order by g.n), '[]')
        into answers
        from (
            select (element ->> 'job_id')::uuid as job_id, element ->> 'queue' as queue, n,
                sha256(convert_to((element - array['job_id', 'owner'])::text, 'UTF8')) as content_hash,
                row_number() over (partition by (element ->> 'job_id')::uuid order by n) = 1 as first
            from jsonb_array_elements(new_jobs) with ordinality as e (element, n)
        ) as g
        left join unnest(created) as c (job_id) using (job_id)
        -- "offset 0" keeps this a look-up per row: no plan may read the whole index instead.
        left join lateral (select * from jobs where job_id = g.job_id offset 0) as j on true
        where j.job_id is not null or g.job_id = any (stored.refused);
        -- One that was here when the insert met it may have been pruned before the look-up: then it is new.
        exit when jsonb_array_length(answers) = jsonb_array_length(new_jobs);
        if exists (
            select from unnest(stored.unrouted) as u (job_id)
            where not exists (select from jobs j where j.job_id = u.job_id offset 0)) then
            raise exception using errcode = 'SQ005',
                message = 'jobs: some would be owned by the legacy queue, which only the router reaches; nothing was stored',
                hint = 'Enqueue through the router, or declare a relay: supaqueue rollout set --relay-unrouted.';
        end if;
    end loop;
    return answers;
end $$;
