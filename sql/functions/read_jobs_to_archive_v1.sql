-- Reads up to `max_jobs` ended jobs that the policy lets go, from `page` on, oldest first, each as the line that an archive
-- keeps of it and with the UTC day on which it ended; bounded in jobs read, in time, and in bytes: one answer is one JSON value
-- that must arrive within a try.
create or replace function read_jobs_to_archive_v1(
    policy jsonb, page text, max_jobs integer, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    bytes_left bigint := 4194304;
    walks_left integer := 40;
    r job_retention;
    old record;
    found_job record;
    line text;
    next_page text := page;
    job_ids uuid[] := '{}';
    kinds text[] := '{}';
    days date[] := '{}';
    lines text[] := '{}';
    walked bigint := 0;
    began constant timestamptz := clock_timestamp();
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_retention(policy, page, max_jobs);
    r := supaqueue_read_retention(policy);
    loop
        select * into old from supaqueue_walk_old_jobs(r, next_page, 500);
        walked := walked + old.walked;
        next_page := old.next_page;
        for found_job in select * from supaqueue_removable_jobs(old.job_ids, r) loop
            line := supaqueue_archive_line(found_job.job_id);
            job_ids := job_ids || found_job.job_id;
            kinds := kinds || found_job.kind;
            days := days || found_job.day;
            lines := lines || line;
            bytes_left := bytes_left - octet_length(line);
            if bytes_left <= 0 or cardinality(job_ids) = max_jobs then
                next_page := supaqueue_job_page(found_job.created_at, found_job.job_id);
                exit;
            end if;
        end loop;
        walks_left := walks_left - 1;
        exit when next_page is null or cardinality(job_ids) = max_jobs or bytes_left <= 0 or walks_left = 0
            or clock_timestamp() > began + interval '1 second';
    end loop;
    return jsonb_build_object('jobs', (
            select coalesce(jsonb_agg(jsonb_build_object('job_id', u.job_id, 'kind', u.kind, 'day', u.day, 'line', u.line)
                order by u.n), '[]')
            from unnest(job_ids, kinds, days, lines) with ordinality as u (job_id, kind, day, line, n)),
        'looked_at', walked, 'next_page', next_page);
end $$;
