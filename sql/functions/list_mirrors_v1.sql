-- What a relay has to tell legacy of: jobs in one mirror state (`due`, `end_due`, `release_due`, `takeover_due`), oldest first, by
-- page; at most 4 MiB of payloads. `next_page` is null at the end; a page before it may be empty.
create or replace function list_mirrors_v1(mirror_state text, page text, page_size integer, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    after_time timestamptz;
    after_id uuid;
    range record;
    upto_time timestamptz;
    upto_id uuid;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_mirror_list(mirror_state, page, page_size);
    after_time := coalesce(split_part(page, ' ', 1)::timestamptz, '-infinity');
    after_id := coalesce(split_part(page, ' ', 2)::uuid, '00000000-0000-0000-0000-000000000000');
    if mirror_state = 'release_due' then
        select * into range from supaqueue_look_for_release_due(
            row('release_due', '', after_time, 0, after_id, null)::job_hand_back_places);
        after_time := (range.began).moment;
        after_id := (range.began).job_id;
        upto_time := (range.ended).moment;
        upto_id := (range.ended).job_id;
    end if;
    return (
        with listed as (
            select j.job, j.created_at, j.job_id, t.task, row_number() over w as n, sum(t.payload_bytes) over w as bytes
            from (
                select b as job, b.created_at, b.job_id from jobs b
                where b.mirror_state = list_mirrors_v1.mirror_state
                    and b.mirror_state in ('due', 'end_due', 'release_due', 'takeover_due')
                    and (b.created_at, b.job_id) > (after_time, after_id)
                    and (b.created_at, b.job_id) <= (coalesce(upto_time, 'infinity'),
                        coalesce(upto_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                order by b.created_at, b.job_id limit page_size
            ) as j
            cross join lateral (
                select b as task, b.payload_bytes from job_tasks b where b.job_id = j.job_id and b.task_number = 0 offset 0
            ) as t
            window w as (order by j.created_at, j.job_id)
        ), fitting as (
            select * from listed where n = 1 or bytes <= 4194304
        )
        select jsonb_build_object(
            'mirrors', coalesce(jsonb_agg(supaqueue_mirror(job, task) order by n), '[]'),
            'next_page', case when count(*) = page_size or count(*) < (select count(*) from listed)
                then (array_agg(supaqueue_job_page(created_at, job_id) order by n desc))[1]
                when upto_time is not null then supaqueue_job_page(upto_time, upto_id) end)
        from fitting
    );
end $$;
