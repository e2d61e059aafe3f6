-- The next `want` waiting tasks behind a place, as far as `upto` if that is one: how many they are, where the last one is, and of them
-- the jobs whose type goes back to legacy. Of the four branches one runs, by the look and its bound.
create or replace function supaqueue_waiting_to_go_back(
    place job_hand_back_places, upto job_hand_back_places, want bigint,
    out job_ids uuid[], out number bigint, out reached job_hand_back_places
)
language plpgsql stable
set search_path from current
as $$
declare
    seen record;
begin
    select array_agg(w.job_id) filter (where w.purpose = 'run' and supaqueue_goes_back(w.task_type) <> 'none') as job_ids,
        count(*) as number,
        (array_agg(row(place.look, w.queue, w.moment, w.position, w.key, null)::job_hand_back_places order by w.n desc))[1] as last
    into seen
    from (
        select u.*, row_number() over (order by u.queue, u.moment, u.position, u.key) as n
        from (
            (select b.job_id, b.task_type, b.purpose, b.queue, b.run_at as moment, 0::bigint as position, b.job_id as key
            from job_tasks b
            where place.look = 'due' and upto.look is null and b.status = 'pending' and b.position is null
                and (b.queue, b.run_at, b.job_id) > (place.queue, place.moment, place.job_id)
            order by b.queue, b.run_at, b.job_id limit want)
            union all
            (select b.job_id, b.task_type, b.purpose, b.queue, b.run_at, 0, b.job_id
            from job_tasks b
            where place.look = 'due' and upto.look is not null and b.status = 'pending' and b.position is null
                and (b.queue, b.run_at, b.job_id) > (place.queue, place.moment, place.job_id)
                and (b.queue, b.run_at, b.job_id) <= (upto.queue, upto.moment, upto.job_id)
            order by b.queue, b.run_at, b.job_id limit want)
            union all
            (select b.job_id, b.task_type, b.purpose, b.queue, place.moment, b.position, place.job_id
            from job_tasks b
            where place.look = 'ready' and upto.look is null and b.status = 'pending' and b.position is not null
                and (b.queue, b.position) > (place.queue, place.position)
            order by b.queue, b.position limit want)
            union all
            (select b.job_id, b.task_type, b.purpose, b.queue, place.moment, b.position, place.job_id
            from job_tasks b
            where place.look = 'ready' and upto.look is not null and b.status = 'pending' and b.position is not null
                and (b.queue, b.position) > (place.queue, place.position)
                and (b.queue, b.position) <= (upto.queue, upto.position)
            order by b.queue, b.position limit want)
        ) as u
    ) as w;
    job_ids := seen.job_ids;
    number := seen.number;
    reached := seen.last;
end $$;
