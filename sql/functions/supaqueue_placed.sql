-- Which system owns a new job, by the flag alone; what holds for its type is `own`, the overall flag's row or the type's. The
-- same table as in Python; there the environment may lower it further.
create or replace function supaqueue_placed(overall feature_flag, own feature_flag, bucket integer, tenant text) returns text
language sql immutable parallel safe
set search_path from current
return case
    when (own).stage = 'complete' then 'supabase'
    when not ((overall).is_enabled and (own).is_enabled) or (own).stage not in ('canary', 'live') or (own).rollout_percent = 0
        then 'legacy'
    when tenant = any ((own).legacy_tenants) then 'legacy'
    when tenant = any ((own).supabase_tenants) then 'supabase'
    when (own).rollout_percent = 100 and bucket >= 10000 - (own).holdback_percent * 100 then 'legacy'
    when bucket < (own).rollout_percent * 100 then 'supabase'
    else 'legacy' end;
