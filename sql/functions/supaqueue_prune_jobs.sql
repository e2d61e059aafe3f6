-- One stretch of a pruning: walks 500 jobs, locks those to go, and deletes what may go still. `most_rows` bounds what goes,
-- children included; a job goes whole, however many it has. `kinds` has one element per job removed.
create or replace function supaqueue_prune_jobs(
    r job_retention, page text, most_jobs integer, most_rows bigint, dry_run boolean,
    out kinds text[], out row_count bigint, out walked integer, out next_page text
)
language plpgsql
set search_path from current
as $$
declare
    old record;
    fitting record;
    held uuid[];
    removable record;
begin
    select * into old from supaqueue_walk_old_jobs(r, page, 500);
    walked := old.walked;
    select array_agg(c.job_id) filter (where c.fits) as job_ids, bool_and(c.fits) as all_fit,
        (array_agg(supaqueue_job_page(c.created_at, c.job_id)) filter (where c.is_last))[1] as last_page
    into fitting
    from (
        select s.job_id, s.created_at, s.fits, s.fits and not lead(s.fits) over (order by s.n) as is_last
        from (
            select f.*, f.n <= most_jobs and sum(f.row_count) over (order by f.n) - f.row_count < most_rows as fits
            from supaqueue_removable_jobs(old.job_ids, r)
                with ordinality as f (job_id, kind, day, row_count, created_at, n)
        ) as s
    ) as c;
    next_page := case when fitting.all_fit is false then fitting.last_page else old.next_page end;

    held := case when dry_run then fitting.job_ids else supaqueue_lock_unheld_jobs(fitting.job_ids) end;
    select array_agg(f.job_id) as job_ids, array_agg(f.kind) as kinds, coalesce(sum(f.row_count), 0) as row_count
    into removable from supaqueue_removable_jobs(held, r) as f;
    kinds := coalesce(removable.kinds, '{}');
    row_count := removable.row_count;
    if not dry_run then
        perform supaqueue_delete_jobs(removable.job_ids);
    end if;
end $$;
