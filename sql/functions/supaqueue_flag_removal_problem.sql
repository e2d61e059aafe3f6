-- Why a flag cannot be deleted, null if it can.
create or replace function supaqueue_flag_removal_problem(flag feature_flag) returns text
language sql stable
set search_path from current
as $$
    select case
        when (flag).task_type is null
            then 'the overall row cannot be deleted; to stop everything, set is_enabled = false, rollout_percent = 0'
        when (flag).hand_back <> 'none' then format('jobs of %s go back to legacy: end that first', (flag).flag_name)
        when (flag).latched_at is not null then format('%s is latched: clear that first', (flag).flag_name)
        when o.latched_at is not null and supaqueue_flag_is_raised(flag, o)
            then format('without it %s holds, which is latched and allows more: clear that first', o.flag_name) end
    from supaqueue_overall_flag() as o
$$;
