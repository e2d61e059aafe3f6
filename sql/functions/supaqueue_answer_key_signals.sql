-- Answers a bounded number of signals of one queue: takes those that no other session holds, and lets the next task of each key have
-- its turn. Read by a mark, as lines are: from the start one would walk over all that were ever taken.
create or replace function supaqueue_answer_key_signals(
    queue_name text, inout mark job_claim_mark, top bigint, xmin bigint, number bigint, out more boolean
)
language plpgsql volatile
set search_path from current
as $$
declare
    bound constant integer := 200;
    lowest bigint;
    walk_to bigint;
    seen record;
    taken_keys text[];
    taken_positions bigint[];
begin
    if supaqueue_mark_is_new(mark, top, xmin) then
        select s.position into lowest from job_order_key_signals s
        where s.queue = queue_name and s.position <= top order by s.queue, s.position limit 1;
    end if;
    mark := supaqueue_open_mark(mark, lowest, top, 100000, xmin, number);
    walk_to := supaqueue_walk_to(mark, 2 * bound, 4096);

    with behind as materialized (
        select s.position from job_order_key_signals s
        where s.queue = queue_name and s.position > mark.walk and s.position <= walk_to
        order by s.queue, s.position limit bound
    ), ahead as materialized (
        select s.position from job_order_key_signals s
        where s.queue = queue_name and s.position > mark.at and s.position <= top
        order by s.queue, s.position limit bound
    )
    select array_agg(c.position) as positions, count(*) filter (where c.is_behind) as behind,
        count(*) filter (where not c.is_behind) as ahead, max(c.position) filter (where c.is_behind) as last_behind,
        max(c.position) filter (where not c.is_behind) as last_ahead
    into seen
    from (select *, true as is_behind from behind union all select *, false from ahead) as c;

    if seen.positions is not null then
        with gone as (
            delete from job_order_key_signals s
            using (
                select f.place from unnest(seen.positions) as u (position)
                cross join lateral (
                    select b.ctid as place from job_order_key_signals b
                    where b.queue = queue_name and b.position = u.position for update skip locked
                ) as f
            ) as free
            where s.ctid = free.place
            returning s.order_key, s.position
        )
        select array_agg(k.order_key order by k.first), (select array_agg(g.position) from gone g)
        into taken_keys, taken_positions
        from (select g.order_key, min(g.position) as first from gone g group by g.order_key) as k;
        if taken_keys is not null then
            perform supaqueue_promote_keyed_job_tasks(queue_name, taken_keys);
        end if;
    end if;

    more := seen.ahead = bound;
    mark := supaqueue_close_mark(mark,
        case when seen.ahead < bound then top else seen.last_ahead end,
        case when seen.behind < bound then walk_to else seen.last_behind end,
        (select min(u.position) from unnest(seen.positions) as u (position)
            where u.position <= walk_to and u.position <> all (coalesce(taken_positions, '{}'))));
end $$;
