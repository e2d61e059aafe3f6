-- Whether a change gives Supabase more than it had.
create or replace function supaqueue_flag_is_raised(before feature_flag, after feature_flag) returns boolean
language sql immutable
set search_path from current
as $$
    select (after).is_enabled and not (before).is_enabled or (after).rollout_percent > (before).rollout_percent
        or (after).stage = 'complete' and (before).stage <> 'complete'
        or (after).holdback_percent < (before).holdback_percent or (after).shadow_percent > (before).shadow_percent
        or not (after).supabase_tenants <@ (before).supabase_tenants or not (before).legacy_tenants <@ (after).legacy_tenants
$$;
