-- The cursor that stands after a job, in the order of jobs_created.
create or replace function supaqueue_job_page(created_at timestamptz, job_id uuid) returns text
language sql stable
set search_path from current
return to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || job_id::text;
