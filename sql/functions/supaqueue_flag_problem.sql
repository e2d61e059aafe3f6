-- Why a flag cannot change like this, null if it can. For a new row `before` is the overall one: it is what held until now. A row
-- that is not written yet has no generated columns, hence the type is read from its name.
create or replace function supaqueue_flag_problem(before feature_flag, after feature_flag, is_new boolean) returns text
language sql stable
set search_path from current
as $$
    select case
        when (after).flag_name is distinct from (before).flag_name and not is_new then 'flag_name does not change'
        when is_new and not supaqueue_task_type_is_known(substr((after).flag_name, 16))
            then format('no worker serves the task type %s and none was enqueued: is it spelt right?',
                quote_literal(substr((after).flag_name, 16)))
        when not supaqueue_stage_step_allowed((before).stage, (after).stage)
            then format('there is no step from %s to %s', (before).stage, (after).stage)
        when (after).stage in ('off', 'mirror', 'shadow') and (after).is_enabled
            or (after).stage = 'off' and (after).rollout_percent > 0
            then format('at stage %s nothing is enabled and the percent is 0: go to stage mirror first', (after).stage)
        when (before).stage = 'complete' and (after).stage = 'off' and supaqueue_has_open_jobs('supabase')
            then 'a cutover begins when no job is unfinished here: let the workers end them, or cancel them'
        when (before).stage = 'live' and (after).stage = 'complete' and (
            not (after).is_enabled or (after).holdback_percent > 0 or (before).holdback_percent > 0)
            then 'complete follows on live, enabled, with a holdback of 0'
        when (before).stage = 'live' and (after).stage = 'complete' and (before).updated_at > clock_timestamp() - interval '10 s'
            then 'the flag changed less than 10 s ago: some process may still act on the older one; try again shortly'
        when (before).stage = 'live' and (after).stage = 'complete' and supaqueue_has_open_jobs('legacy')
            then 'legacy has not ended all of its jobs, or has not told how: see "supaqueue rollout drain-proof"'
        when (after).hand_back <> 'none' and (before).hand_back = 'none'
            and ((after).stage in ('off', 'complete') or (after).is_enabled and (after).rollout_percent > 0)
            then 'jobs go back to legacy only while the percent is 0 or the flag disabled, at the stages mirror to live'
        when supaqueue_flag_is_raised(before, after) and (before).latched_at is not null
            and (is_new or (after).latched_at is not null)
            then format('latched since %s (%s): a person clears that first', (before).latched_at, coalesce((before).latch_reason, 'no reason given'))
        when supaqueue_flag_is_raised(before, after) and (after).hand_back <> 'none'
            then 'jobs go back to legacy: that ends first, or is switched off (hand_back = ''none'')' end
$$;
