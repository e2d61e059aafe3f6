-- Deletes up to `max_jobs` ended jobs that the policy lets go, from `page` on, oldest first; bounded in jobs read, in rows deleted
-- and in time. Repeatable by `request_id`: the repeat is answered as the first was and deletes no more; job_prunings' unique
-- index makes a repeat that overtakes wait for the original, or the original for the repeat. With `dry_run` it says what it
-- would delete.
create or replace function prune_jobs_v1(
    request_id uuid, policy jsonb, page text, max_jobs integer, dry_run boolean, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    jobs_left integer := max_jobs;
    rows_left bigint := 20000;
    walks_left integer := 40;
    r job_retention;
    stretch record;
    next_page text := page;
    kinds text[] := '{}';
    walked bigint := 0;
    began constant timestamptz := clock_timestamp();
    answered jsonb;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_retention(policy, page, max_jobs);
    if request_id is null or dry_run is null then
        raise exception using errcode = 'SQ003', message = case when request_id is null
            then 'request_id: expected a UUID' else 'dry_run: expected true or false' end;
    end if;
    if not dry_run then
        insert into job_prunings (request_id) values (prune_jobs_v1.request_id) on conflict do nothing;
        if not found then
            return (select p.answer from job_prunings p where p.request_id = prune_jobs_v1.request_id);
        end if;
        perform supaqueue_forget_prunings();
        perform supaqueue_forget_unique_keys();
        -- What a crash of the server brings back goes with the next pass: no need to wait for the disk.
        perform set_config('synchronous_commit', 'off', true);
    end if;

    r := supaqueue_read_retention(policy);
    loop
        select * into stretch from supaqueue_prune_jobs(r, next_page, jobs_left, rows_left, dry_run);
        kinds := kinds || stretch.kinds;
        walked := walked + stretch.walked;
        next_page := stretch.next_page;
        jobs_left := jobs_left - cardinality(stretch.kinds);
        rows_left := rows_left - stretch.row_count;
        walks_left := walks_left - 1;
        exit when next_page is null or jobs_left <= 0 or rows_left <= 0 or walks_left = 0
            or clock_timestamp() > began + interval '1 second';
    end loop;

    answered := jsonb_build_object('removed', (
            select coalesce(jsonb_object_agg(k.kind, k.jobs), '{}')
            from (select u.kind, count(*) as jobs from unnest(kinds) as u (kind) group by u.kind) as k),
        'looked_at', walked, 'next_page', next_page);
    if not dry_run then
        update job_prunings p set answer = answered where p.request_id = prune_jobs_v1.request_id;
    end if;
    return answered;
end $$;
