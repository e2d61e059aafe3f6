-- Keeps every change of a flag.
create or replace function supaqueue_log_feature_flag() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    insert into feature_flag_changes (flag_name, version, changed_by, reason, evidence, before, after)
    values (coalesce(new.flag_name, old.flag_name), coalesce(new.version, nextval('feature_flag_version')),
        new.updated_by, new.reason, new.evidence, to_jsonb(old), to_jsonb(new));
    return null;
end $$;

create or replace trigger supaqueue_log_feature_flag after insert or update or delete on feature_flag
    for each row execute function supaqueue_log_feature_flag();
