create or replace function supaqueue_check_archived_jobs(batch jsonb, jobs jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    expected text;
begin
    perform supaqueue_check_rows('batch', jsonb_build_array(batch),
        '{"batch_id": "a UUID", "file": "1 to 200 characters", "jobs": "1 to 10000", "sha256": "1 to 200 characters"}',
        array['batch_id', 'file', 'jobs', 'sha256']);
    perform supaqueue_check_rows('jobs[%s]', jobs, '{"job_id": "a UUID", "sha256": "1 to 200 characters"}',
        array['job_id', 'sha256']);
    if (batch ->> 'jobs')::integer <> jsonb_array_length(jobs) then
        expected := 'batch.jobs: expected the number of jobs';
    elsif (select count(distinct (e ->> 'job_id')::uuid) from jsonb_array_elements(jobs) as e) <> jsonb_array_length(jobs) then
        expected := 'jobs: expected each job once';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
