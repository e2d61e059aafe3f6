-- The salt is written once, by a migration.
create or replace function supaqueue_keep_settings() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    raise exception using errcode = 'SQ005',
        message = 'job_settings: the salt never changes: with another one every key would move to another bucket, and so to another owner';
end $$;

create or replace trigger supaqueue_keep_settings before update or delete or truncate on job_settings
    for each statement execute function supaqueue_keep_settings();
