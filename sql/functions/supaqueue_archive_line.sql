-- One job as one line of an archive: its rows as they stand, every column of them, also those that later versions add. Null
-- unless it has ended. `schema` is the version of this line's form. The text is the same as long as the rows are: the
-- callers fix how times, intervals, bytes and fractions are written.
create or replace function supaqueue_archive_line(given_id uuid) returns text
language plpgsql stable
set search_path from current
as $$
begin
    return (
        select jsonb_build_object('schema', 1, 'job', to_jsonb(j),
            'tasks', coalesce((select jsonb_agg(to_jsonb(t) order by t.task_number)
                from job_tasks t where t.job_id = given_id), '[]'),
            'attempts', coalesce((select jsonb_agg(to_jsonb(a) order by a.task_number, a.lease_token)
                from job_task_attempts a where a.job_id = given_id), '[]'))::text
        from jobs j
        where j.job_id = given_id and case j.status when 'mirrored' then j.owner_ended_at is not null
            else j.owner = 'supabase' and j.status in ('completed', 'failed', 'cancelled', 'deduplicated') end
    );
end $$;
