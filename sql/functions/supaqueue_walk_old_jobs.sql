-- Walks up to `most` jobs on from `page`, oldest first. No index holds finished_at: a finish must stay a heap-only update. But
-- what finished before a moment was created before it, so jobs_created bounds the walk. `job_ids` are those that may be
-- removable, `walked` how many were read for them, `next_page` where to go on, null at the end.
create or replace function supaqueue_walk_old_jobs(
    r job_retention, page text, most integer, out job_ids uuid[], out walked integer, out next_page text
)
language plpgsql stable
set search_path from current
as $$
declare
    after_time constant timestamptz := coalesce(split_part(page, ' ', 1)::timestamptz, '-infinity');
    after_id constant uuid := coalesce(split_part(page, ' ', 2)::uuid, '00000000-0000-0000-0000-000000000000');
    seen record;
begin
    select array_agg(w.job_id order by w.created_at, w.job_id) filter (where w.ended) as job_ids, count(*) as walked,
        max(w.created_at) as last_time, (array_agg(w.job_id order by w.created_at desc, w.job_id desc))[1] as last_id
    into seen
    from (
        select j.job_id, j.created_at,
            case j.status when 'mirrored' then j.owner_ended_at < r.latest
                else j.finished_at < r.latest and j.owner = 'supabase' and j.status in ('completed', 'failed', 'cancelled', 'deduplicated') end as ended
        from jobs j
        where (j.created_at, j.job_id) > (after_time, after_id) and j.created_at < r.latest
        order by j.created_at, j.job_id limit most
    ) as w;
    job_ids := seen.job_ids;
    walked := seen.walked;
    next_page := case when seen.walked = most then supaqueue_job_page(seen.last_time, seen.last_id) end;
end $$;
