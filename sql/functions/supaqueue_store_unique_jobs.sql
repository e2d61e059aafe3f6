-- Stores jobs of which some ask for unique keys: as supaqueue_store_jobs, after the keys are taken. Begins again, without any lock of
-- the try before, if another session changed what a key was held by, or stored an id, in between.
create or replace function supaqueue_store_unique_jobs(
    new_jobs jsonb, at_once timestamptz, out created uuid[], out refused uuid[], out unrouted uuid[]
)
language plpgsql
set search_path from current
as $$
declare
    tries constant integer := 10;
    deduped record;
begin
    for try in 1 .. tries loop
        begin
            select * into deduped from supaqueue_dedupe_jobs(new_jobs, at_once);
            select s.created, s.refused, s.unrouted into created, refused, unrouted
            from supaqueue_store_jobs(deduped.jobs, at_once) as s;
            if not coalesce(deduped.takers, '{}') <@ coalesce(created, '{}') then
                raise exception using errcode = 'SQ099', message = 'an id is taken by now';
            end if;
            perform supaqueue_replace_jobs(deduped.jobs, created, at_once);
            return;
        exception when sqlstate 'SQ099' then
            if try = tries then
                raise exception using errcode = 'lock_not_available',
                    message = 'jobs: who holds their unique keys changed again and again; nothing was stored',
                    hint = 'Call again.';
            end if;
        end;
    end loop;
end $$;
