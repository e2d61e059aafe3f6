-- Lets a job hold a key unless another does: `holder` is whoever holds it then, `taken` whether that is new. The index decides: an
-- insert waits for whoever inserts or releases the same key, and for nobody who only holds it. A window that is over is taken anew.
create or replace function supaqueue_hold_key(
    of_type text, key text, for_job uuid, seconds double precision, at_once timestamptz, out holder uuid, out taken boolean
)
language plpgsql
set search_path from current
as $$
declare
    ends_at constant timestamptz := at_once + make_interval(secs => seconds);
begin
    taken := true;
    loop
        insert into job_unique_keys (task_type, unique_key, job_id, expires_at) values (of_type, key, for_job, ends_at)
        on conflict do nothing returning job_id into holder;
        exit when found;
        update job_unique_keys k set job_id = for_job, expires_at = ends_at
        where k.task_type = of_type and k.unique_key = key and k.expires_at <= at_once
        returning k.job_id into holder;
        exit when found;
        select k.job_id into holder from job_unique_keys k where k.task_type = of_type and k.unique_key = key;
        taken := false;
        exit when found;
        taken := true;
    end loop;
end $$;
