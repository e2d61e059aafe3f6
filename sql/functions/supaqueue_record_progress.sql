-- Stores the progress that rows of `tasks` bring: of a lease that the reporter holds, and of several reports the latest by
-- number, so that one which arrives late changes nothing. A key that a report leaves out stays as it was. The caller holds the
-- jobs' locks.
create or replace function supaqueue_record_progress(tasks jsonb, reporter text) returns void
language plpgsql
set search_path from current
as $$
begin
    if not exists (select from jsonb_array_elements(tasks) as e where jsonb_typeof(e -> 'progress') = 'object') then
        return;
    end if;
    update job_tasks t
    set progress_number = g.number,
        progress_percent = case when g.progress ? 'percent' then round((g.progress ->> 'percent')::numeric, 4)::real
            else t.progress_percent end,
        progress_message = case when g.progress ? 'message' then g.progress ->> 'message' else t.progress_message end,
        checkpoint = case when g.progress ? 'checkpoint' then nullif(g.progress -> 'checkpoint', 'null') else t.checkpoint end
    from (
        select distinct on (r.job_id, r.task_number, r.lease_token) r.*, (r.progress ->> 'number')::bigint as number
        from jsonb_to_recordset(tasks) as r (job_id uuid, task_number smallint, lease_token bigint, progress jsonb)
        where jsonb_typeof(r.progress) = 'object'
        order by r.job_id, r.task_number, r.lease_token, (r.progress ->> 'number')::bigint desc
    ) as g
    cross join lateral (
        select b.ctid as place, b.status, b.lease_token, b.worker_id, b.progress_number from job_tasks b
        where b.job_id = g.job_id and b.task_number = g.task_number offset 0
    ) as before
    where t.ctid = before.place and before.lease_token = g.lease_token and before.status in ('claimed', 'processing')
        and before.worker_id = reporter and before.progress_number < g.number;
end $$;
