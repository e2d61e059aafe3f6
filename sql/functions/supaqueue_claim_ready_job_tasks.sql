-- Leases up to `want` ready tasks of these queues: reads candidates of their lines, unlocked, chooses, leases them in one go, and
-- notes how far each line was read. Reads on if other sessions hold some of them, or one queue had less than its share.
drop function if exists supaqueue_claim_ready_job_tasks(
    text[], jsonb, job_claim_types, text, integer, interval, uuid, text, jsonb, bigint, bigint);

create or replace function supaqueue_claim_ready_job_tasks(
    queues text[], weights jsonb, types job_claim_types, types_key text, want integer, lease interval, request_id uuid,
    worker_id text, limits job_running_limits[], marks jsonb, xmin bigint, number bigint, out tasks jsonb, out ready jsonb, out more boolean
)
language plpgsql volatile
set search_path from current
as $$
declare
    began constant timestamptz := clock_timestamp();
    -- The answer is one JSON value: it must arrive within a try, and Postgres builds none over 256 MB.
    bytes_left bigint := 4194304;
    top bigint;
    lines job_claim_line[];
    rooms job_limit_room[];
    within record;
    settled record;
    moved integer := 0;
    read record;
    best record;
    leased record;
    missed uuid[];
    lost uuid[];
    remaining integer := want;
    entries_each integer;
begin
    tasks := '[]';
    -- Read in a statement before the lines are: whatever holds a lower position was numbered before this.
    select case when is_called then last_value else last_value - 1 end into top from job_task_position;
    lines := supaqueue_open_lines(queues, weights, marks, types_key, greatest(128, 2 * want), request_id, top, xmin, number);
    entries_each := greatest(10000 / cardinality(lines), 100);
    for round in 1 .. 10000 loop
        rooms := supaqueue_limit_rooms(limits);
        read := supaqueue_read_lines(lines, types, rooms, top, remaining, round = 1, entries_each, lost);
        lines := read.lines;
        exit when read.candidates = '{}';
        within := supaqueue_within_limits(lines, read.candidates, rooms);
        select * into best from supaqueue_choose_candidates(lines, within.kept, remaining, bytes_left);
        select * into leased
        from supaqueue_lease_job_tasks(best.job_ids, best.task_numbers, types, lease, request_id, worker_id, limits);
        tasks := tasks || leased.tasks;
        remaining := remaining - cardinality(leased.positions);
        bytes_left := bytes_left - coalesce(best.bytes, 0);
        missed := case when cardinality(leased.positions) < cardinality(best.positions) then array(
            select u.job_id from unnest(best.job_ids, best.positions) as u (job_id, position)
            where u.position <> all (leased.positions)) end;
        lost := lost || missed;
        if rooms is null then
            lines := supaqueue_settle_lines(lines, within.kept, best.chosen, missed);
        else
            select * into settled
            from supaqueue_settle_limited_lines(lines, within.kept, best.chosen, missed, within.left_out, limits, top);
            lines := settled.lines;
            -- What is left is held back; or enough was set apart while others wait for the limits' locks.
            moved := moved + settled.moved;
            exit when moved >= 10000 or settled.moved = 0 and best.chosen is null;
        end if;
        exit when remaining = 0 or bytes_left <= 0 or clock_timestamp() > began + interval '2 seconds';
        entries_each := greatest(entries_each / 2, 100);
    end loop;
    more := remaining = 0 or exists (select from unnest(lines) as l where not l.read_all)
        and (rooms is null or supaqueue_may_have_more(lines, limits, remaining < want or moved > 0));
    ready := supaqueue_close_lines(lines, types_key);
end $$;
