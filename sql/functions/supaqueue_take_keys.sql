-- Takes keys, as far as nobody holds them; the others are changed, as far as a job asks for that. Returns each key with its
-- `holder`, with whether that is `new`, whether it can still be changed (`waits`), and who held it `before` one of these took it over.
-- Locks go in one order, jobs that are here, then keys, and after this new ids, each sorted: no two calls wait for each other in a
-- circle. Only who is to be changed is locked: to be rejected locks nothing. SQ099: what was seen changed meanwhile; begin again.
create or replace function supaqueue_take_keys(asked jsonb, at_once timestamptz) returns jsonb
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    held jsonb;
    to_change uuid[];
    free uuid[];
    leased record;
    moved uuid[] := '{}';
begin
    perform supaqueue_lock_jobs(array(
        select k.job_id
        from jsonb_to_recordset(asked) as a (task_type text, unique_key text, changer uuid)
        cross join lateral (
            select b.job_id from job_unique_keys b
            where b.task_type = a.task_type and b.unique_key = a.unique_key offset 0
        ) as k
        where a.changer is not null));
    select jsonb_agg(a.element || jsonb_build_object('holder', h.holder, 'new', h.taken, 'waits', h.taken) order by a.n) into held
    from (
        select element, n from jsonb_array_elements(asked) with ordinality as e (element, n) order by n offset 0
    ) as a
    cross join lateral supaqueue_hold_key(a.element ->> 'task_type', a.element ->> 'unique_key',
        (a.element -> 'job_ids' ->> 0)::uuid, (a.element ->> 'seconds')::double precision, at_once) as h;

    to_change := array(
        select h.holder from jsonb_to_recordset(held) as h (holder uuid, new boolean, changer uuid)
        where not h.new and h.changer is not null);
    if to_change = '{}' then
        return held;
    end if;
    -- Most are locked above; the lock of another one is not waited for while keys are taken.
    free := coalesce(supaqueue_lock_free_jobs(to_change), '{}');
    if exists (
        select from unnest(to_change) as g (job_id)
        where g.job_id <> all (free) and exists (select from jobs j where j.job_id = g.job_id offset 0)) then
        raise exception using errcode = 'SQ099', message = 'who holds a key has changed';
    end if;
    for leased in
        select h.task_type, h.unique_key, h.holder, h.changer, h.changer_seconds
        from jsonb_to_recordset(held) as h (task_type text, unique_key text, holder uuid, new boolean, changer uuid,
            changer_seconds double precision)
        cross join lateral (select * from jobs b where b.job_id = h.holder offset 0) as j
        where not h.new and h.changer is not null and h.changer <> h.holder and j.unique_until = 'started' and j.active_tasks > 0
        order by h.task_type, h.unique_key
    loop
        -- A worker has it: it can be changed no more, and may have been read. Nothing is lost if the newer one waits in its place.
        update job_unique_keys k set job_id = leased.changer, expires_at = at_once + make_interval(secs => leased.changer_seconds)
        where k.task_type = leased.task_type and k.unique_key = leased.unique_key and k.job_id = leased.holder;
        if not found then
            raise exception using errcode = 'SQ099', message = 'who holds a key has changed';
        end if;
        moved := moved || leased.holder;
    end loop;
    return (
        select jsonb_agg(h.element || case
            when h.holder = any (moved) then jsonb_build_object('holder', h.element -> 'changer', 'new', true, 'waits', true, 'before', h.holder)
            when j.status = 'pending' and j.active_tasks = 0 and j.cancel_requested_at is null and j.on_failure is null then '{"waits": true}'
            else '{}' end order by h.n)
        from (
            select element, (element ->> 'holder')::uuid as holder, n
            from jsonb_array_elements(held) with ordinality as e (element, n)
        ) as h
        left join lateral (select * from jobs b where b.job_id = h.holder and h.holder = any (to_change) offset 0) as j on true
    );
end $$;
