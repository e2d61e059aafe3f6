-- A change says by whom and why, or nobody knows: what an update does not name is forgotten (supaqueue_check_feature_flag). A column
-- trigger fires for what is named; one that is named again gets a mark that tells it from one that was left out.
create or replace function supaqueue_note_given() returns trigger
language plpgsql security definer
set search_path from current
as $$
declare
    given constant text := to_jsonb(new) ->> tg_argv[0];
begin
    return case when given = to_jsonb(old) ->> tg_argv[0]
        then jsonb_populate_record(new, jsonb_build_object(tg_argv[0], given || E'\n')) else new end;
end $$;

create or replace trigger supaqueue_a_note_updated_by before update of updated_by on feature_flag
    for each row execute function supaqueue_note_given('updated_by');
create or replace trigger supaqueue_a_note_reason before update of reason on feature_flag
    for each row execute function supaqueue_note_given('reason');
create or replace trigger supaqueue_a_note_evidence before update of evidence on feature_flag
    for each row execute function supaqueue_note_given('evidence');
