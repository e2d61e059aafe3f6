-- With which change of its flag the present step began: the last one that changed who gets new jobs, or whether any are handed out.
-- No row for a flag that has not changed since it was made.
create or replace function supaqueue_begun_step(name text) returns setof feature_flag_changes
language sql stable
set search_path from current
as $$
    select c.* from feature_flag_changes c
    where c.flag_name = name and c.after is not null and (
        c.before is null or c.before -> 'rollout_percent' <> c.after -> 'rollout_percent'
        or c.before -> 'is_enabled' <> c.after -> 'is_enabled' or c.before -> 'stage' <> c.after -> 'stage'
        or c.before -> 'holdback_percent' <> c.after -> 'holdback_percent'
        or c.before -> 'routes_by_tenant' <> c.after -> 'routes_by_tenant')
    order by c.change_id desc limit 1
$$;
