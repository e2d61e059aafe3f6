-- All schedules by name, and the database's time, which alone says what has ticked.
create or replace function list_schedules_v1(with_payload boolean, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    return jsonb_build_object('now', clock_timestamp(), 'schedules', (
        select coalesce(jsonb_agg(supaqueue_schedule(s, with_payload) order by s.schedule_name), '[]')
        from job_schedules s where s.removed_at is null));
end $$;
