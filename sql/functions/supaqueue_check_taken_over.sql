-- Refuses jobs to take over: new jobs, each with the epoch under which legacy has it.
create or replace function supaqueue_check_taken_over(given jsonb) returns void
language plpgsql stable
set search_path from current
as $$
begin
    if jsonb_typeof(given) is distinct from 'array' then
        raise exception using errcode = 'SQ003', message = 'jobs: expected an array of objects';
    end if;
    perform supaqueue_check_new_jobs((
        select coalesce(jsonb_agg(case when jsonb_typeof(e) = 'object' then e - 'epoch' || '{"owner": "legacy"}' else e end), '[]')
        from jsonb_array_elements(given) as e));
    perform supaqueue_check_rows('jobs[%s]', (
        select coalesce(jsonb_agg(jsonb_build_object('epoch', e -> 'epoch')), '[]') from jsonb_array_elements(given) as e
    ), '{"epoch": "0 to 2147483647"}', '{}');
end $$;
