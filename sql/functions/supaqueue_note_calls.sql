-- Adds what a worker's totals have grown by to the present slot. The caller has locked its row by changing it. A repeat adds
-- nothing, nor does one that comes late: totals only grow.
create or replace function supaqueue_note_calls(worker jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
    told record;
    new record;
begin
    select * into told from jsonb_to_record(worker) as g (worker_id text, run_id uuid, claims_sent bigint, claims_failed bigint,
        finishes_sent bigint, finishes_failed bigint);
    if told.run_id is null then
        return;
    end if;
    update job_workers w set run_id = told.run_id, claims_sent = 0, claims_failed = 0, finishes_sent = 0, finishes_failed = 0
    where w.worker_id = told.worker_id and w.run_id is distinct from told.run_id;
    select greatest(told.claims_sent - w.claims_sent, 0) as claims_sent, greatest(told.claims_failed - w.claims_failed, 0) as claims_failed,
        greatest(told.finishes_sent - w.finishes_sent, 0) as finishes_sent,
        greatest(told.finishes_failed - w.finishes_failed, 0) as finishes_failed
    into new from job_workers w where w.worker_id = told.worker_id;
    if new.claims_sent > 0 or new.finishes_sent > 0 then
        update job_workers w set claims_sent = w.claims_sent + new.claims_sent, claims_failed = w.claims_failed + new.claims_failed,
            finishes_sent = w.finishes_sent + new.finishes_sent, finishes_failed = w.finishes_failed + new.finishes_failed
        where w.worker_id = told.worker_id;
        delete from job_worker_calls c where c.slot_at in (
            select o.slot_at from job_worker_calls o where o.slot_at < now() - interval '1 hour' for update skip locked);
        -- Last: every other worker that tells now waits for it.
        insert into job_worker_calls as c (slot_at, claims_sent, claims_failed, finishes_sent, finishes_failed)
        values (date_bin('20 seconds', clock_timestamp(), '2000-01-01Z'), new.claims_sent, new.claims_failed,
            new.finishes_sent, new.finishes_failed)
        on conflict (slot_at) do update set claims_sent = c.claims_sent + excluded.claims_sent,
            claims_failed = c.claims_failed + excluded.claims_failed, finishes_sent = c.finishes_sent + excluded.finishes_sent,
            finishes_failed = c.finishes_failed + excluded.finishes_failed;
    end if;
end $$;
