-- Refuses rows before anything is written, naming the field and never its value: a violated table constraint would put the
-- whole row, payload included, into the error's detail and the server's log.
create or replace function supaqueue_check_new_jobs(new_jobs jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_refuse_unknown_keys('jobs', new_jobs, array['job_id', 'queue', 'task_type', 'payload', 'run_at',
        'delay_seconds', 'max_attempts', 'retry_delay_seconds', 'tags']);
    if jsonb_array_length(new_jobs) > 10000 then
        raise exception using errcode = 'SQ003', message = 'jobs: expected at most 10000 in one call';
    end if;
    select g.n - 1 as place, f.field, f.expected into refused
    from rows from (
        jsonb_to_recordset(new_jobs) as (job_id uuid, queue text, task_type text, run_at timestamptz,
            delay_seconds double precision, max_attempts integer, retry_delay_seconds double precision)
    ) with ordinality as g (job_id, queue, task_type, run_at, delay_seconds, max_attempts, retry_delay_seconds, n),
    lateral (values
        ('job_id', g.job_id is not null and job_bucket(g.job_id) <= 9999,
            'a UUID whose last 14 bits are a bucket, 0 to 9999'),
        ('queue', length(g.queue) between 1 and 200, '1 to 200 characters'),
        ('task_type', length(g.task_type) between 1 and 200, '1 to 200 characters'),
        ('run_at', isfinite(coalesce(g.run_at, now())), 'a moment, not infinity'),
        ('delay_seconds', coalesce(g.delay_seconds, 0) between 0 and 315360000 and
            (g.run_at is null or g.delay_seconds is null), '0 to 315360000, and not together with run_at'),
        ('max_attempts', coalesce(g.max_attempts, 1) between 1 and 1000, '1 to 1000'),
        ('retry_delay_seconds', coalesce(g.retry_delay_seconds, 0) between 0 and 2592000, '0 to 2592000')
    ) as f (field, fits, expected)
    where f.fits is not true limit 1;
    if found then
        raise exception using
            errcode = 'SQ003',
            message = format('jobs[%s].%s: expected %s', refused.place, refused.field, refused.expected);
    end if;
end $$;
