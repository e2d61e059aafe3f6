-- Writes a change of a flag. Only what is named is set, so that a trigger can tell what an update was about.
create or replace function supaqueue_change_flag(
    name text, is_new boolean, changes jsonb, changed_by text, given_reason text, given_evidence text
) returns void
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    columns jsonb := (changes - 'latched') || jsonb_build_object('updated_by', changed_by, 'reason', given_reason, 'evidence', given_evidence)
        || case when changes ? 'latched' then jsonb_build_object(
            'latched_at', case when (changes -> 'latched')::boolean then clock_timestamp() end,
            'latch_reason', case when (changes -> 'latched')::boolean then given_reason end) else '{}' end;
    after feature_flag;
begin
    if is_new then
        after := jsonb_populate_record(supaqueue_overall_flag(), columns);
        insert into feature_flag (flag_name, stage, is_enabled, rollout_percent, holdback_percent, shadow_percent, by_environment,
            routes_by_tenant, relays_unrouted, supabase_tenants, legacy_tenants, hand_back, drain, raised_at, latched_at,
            latch_reason, updated_by, reason, evidence)
        values (name, after.stage, after.is_enabled, after.rollout_percent, after.holdback_percent, after.shadow_percent,
            after.by_environment, after.routes_by_tenant, after.relays_unrouted, after.supabase_tenants, after.legacy_tenants,
            after.hand_back, after.drain, after.raised_at, after.latched_at, after.latch_reason, after.updated_by, after.reason,
            after.evidence);
        return;
    end if;
    execute format('update feature_flag f set (%s) = (select %s from jsonb_populate_record(f, $1)) where f.flag_name = $2',
        (select string_agg(quote_ident(key), ', ' order by key) from jsonb_object_keys(columns) as key),
        (select string_agg(quote_ident(key), ', ' order by key) from jsonb_object_keys(columns) as key))
    using columns, name;
end $$;
