-- The flags as they stand, the overall one and those of types, with the salt of buckets that follow from a key.
create or replace function read_feature_flags_v1(contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    return jsonb_build_object('overall', to_jsonb(supaqueue_overall_flag()), 'types', (
            select coalesce(jsonb_agg(to_jsonb(f) order by f.task_type), '[]') from feature_flag f where f.task_type is not null),
        'salt', (select s.salt from job_settings s), 'read_at', clock_timestamp());
end $$;
