-- Refuses new jobs for a queue that would hold more waiting ones than it may, before anything is written; a repeat is never refused.
-- Answers for how many seconds the producers of which queues should wait: from 0.05 where the limit is reached to 1 at twice that.
create or replace function supaqueue_check_waiting(new_jobs jsonb) returns jsonb
language plpgsql
set search_path from current
as $$
declare
    l job_waiting_limits;
    incoming integer;
    waiting integer;
    waits jsonb := '{}';
begin
    for l in
        select b.* from (select distinct e ->> 'queue' as queue from jsonb_array_elements(new_jobs) as e) as g
        cross join lateral (select * from job_waiting_limits b where b.queue = g.queue offset 0) as b
        order by b.queue
    loop
        incoming := supaqueue_incoming(new_jobs, l.queue);
        if incoming > 0 then
            waiting := supaqueue_count_waiting(l, case l.on_full when 'slow' then 2 * l.waiting_limit else l.waiting_limit end);
            if l.on_full = 'refuse' and waiting + incoming > l.waiting_limit then
                raise exception using errcode = 'SQ006',
                    message = format('queue %s is full: %s of at most %s jobs wait, and this call brings %s; nothing was stored',
                        to_json(l.queue), waiting, l.waiting_limit, incoming),
                    detail = jsonb_build_object('queue', l.queue, 'limit', l.waiting_limit, 'waiting', waiting,
                        'incoming', incoming)::text,
                    hint = case when incoming > l.waiting_limit then 'Send fewer jobs in one call.'
                        else 'Call again later, add workers, or raise the limit: supaqueue queues limit-waiting.' end;
            elsif waiting + incoming > l.waiting_limit then
                waits := waits || jsonb_build_object(l.queue, round(least(1, greatest(0.05,
                    (waiting + incoming - l.waiting_limit)::numeric / l.waiting_limit)), 3));
            end if;
        end if;
    end loop;
    return waits;
end $$;
