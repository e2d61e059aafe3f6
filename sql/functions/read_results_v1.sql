-- What the tasks directly before one came to, for the worker that holds it: `results` by name, without those that did not complete, as
-- `on_failure` continue lets a task run after such ones too. By page, of at most 4 MiB or a single result: `next_after` is what to ask
-- after next, null at the end. `lost` if the lease is no longer that worker's. Repeatable: it reads only.
create or replace function read_results_v1(
    worker_id text, job_id uuid, task_number integer, lease_token bigint, after_number integer, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    most_bytes constant bigint := 4194304;
    most_results constant integer := 5000;
    numbers smallint[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_rows('task', jsonb_build_array(jsonb_build_object(
            'job_id', job_id, 'task_number', task_number, 'lease_token', lease_token, 'after_number', after_number)),
        '{"job_id": "a UUID", "task_number": "0 to 32767", "lease_token": "0 to 9007199254740991", "after_number": "-1 to 32767"}',
        array['job_id', 'task_number', 'lease_token', 'after_number']);
    select t.runs_after into numbers from job_tasks t
    where t.job_id = read_results_v1.job_id and t.task_number = read_results_v1.task_number
        and t.lease_token = read_results_v1.lease_token and t.worker_id = read_results_v1.worker_id
        and t.status in ('claimed', 'processing');
    if not found then
        return jsonb_build_object('answer', 'lost', 'results', '{}'::jsonb, 'next_after', null);
    end if;
    return (
        select jsonb_build_object('answer', 'read',
            'results', coalesce(jsonb_object_agg(p.task_name, p.result) filter (where p.status = 'completed' and p.fits), '{}'),
            'next_after', case when bool_and(p.fits) is false or count(*) = most_results then max(p.number) filter (where p.fits) end)
        from (
            select r.*, r.n = 1 or r.bytes <= most_bytes as fits
            from (
                select u.number, t.status, t.task_name, coalesce(t.result, 'null') as result, row_number() over (order by u.number) as n,
                    sum(coalesce(octet_length(t.result::text), 0)) over (order by u.number) as bytes
                from (
                    select b.number from unnest(numbers) as b (number)
                    where b.number > after_number order by b.number limit most_results
                ) as u
                cross join lateral (
                    select b.status, b.task_name, b.result from job_tasks b
                    where b.job_id = read_results_v1.job_id and b.task_number = u.number offset 0
                ) as t
            ) as r
        ) as p
    );
end $$;
