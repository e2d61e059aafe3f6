-- A new id, as clients make them: a UUIDv7 whose last 14 bits are the job's bucket, drawn, or the tenant's where the type moves by tenant.
create or replace function supaqueue_new_job_id(of_type text, tenant text) returns uuid
language plpgsql
set search_path from current
as $$
declare
    by_tenant boolean := tenant is not null and coalesce(
        (select f.routes_by_tenant from feature_flag f where f.flag_name = 'supabase_queue:' || of_type),
        (supaqueue_overall_flag()).routes_by_tenant);
    bucket integer := case when by_tenant then supaqueue_key_bucket(tenant) else floor(random() * 10000)::integer end;
    drawn text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
    -- Characters 13 and 17 of a drawn UUID are no random ones.
    return supaqueue_job_id(lpad(to_hex(supaqueue_microseconds(clock_timestamp()) / 1000), 12, '0') || '0' || substr(drawn, 1, 3)
        || substr(drawn, 33, 12) || substr(drawn, 5, 4), bucket);
end $$;
