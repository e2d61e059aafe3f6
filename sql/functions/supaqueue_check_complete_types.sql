-- Refuses an option for task types that legacy may own: it knows nothing like it, so that it would hold on one side only.
create or replace function supaqueue_check_complete_types(option text, task_types text[]) returns void
language plpgsql stable
set search_path from current
as $$
begin
    if exists (
        select from unnest(task_types) as u (task_type)
        left join lateral (select f.stage from feature_flag f where f.flag_name = 'supabase_queue:' || u.task_type offset 0) as f
            on true
        where coalesce(f.stage, (supaqueue_overall_flag()).stage) <> 'complete') then
        raise exception using errcode = 'SQ005',
            message = format('jobs: %s is for task types whose cutover is complete: the legacy queue knows nothing like it; nothing was stored',
                option),
            hint = format('Leave %s out until the stage is complete.', option);
    end if;
end $$;
