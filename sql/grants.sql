-- Sets every right on this product's objects from nothing, at the end of each migrate: Supabase's default privileges give
-- anon, authenticated and service_role everything on whatever is created or created again.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['supaqueue_worker', 'supaqueue_producer'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                execute format('create role %I nologin noinherit', role_name);
            exception when duplicate_object or unique_violation then
                null; -- Roles are the whole cluster's: a migrate of another schema or database made it meanwhile.
            end;
        end if;
        -- PostgREST logs in as authenticator and switches to the role that the token names.
        if exists (select from pg_roles where rolname = 'authenticator')
            and not pg_has_role('authenticator', role_name, 'member') then
            execute format('grant %I to authenticator', role_name);
        end if;
    end loop;
end $$;

do $$
declare
    api_roles text;
    relation record;
    routine record;
begin
    select string_agg(quote_ident(rolname), ', ') into api_roles from pg_roles
    where rolname in ('anon', 'authenticated', 'service_role', 'supaqueue_worker', 'supaqueue_producer');
    api_roles := concat_ws(', ', 'public', api_roles);

    for relation in
        select c.oid::regclass as name, c.relname, c.relkind from pg_class c
        where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind in ('r', 'S', 'v')
            and c.relname in ('jobs', 'job_tasks', 'job_task_attempts', 'job_claims', 'job_workers', 'job_task_position',
                'job_task_types', 'job_queues', 'job_changes', 'job_prunings', 'job_archives', 'job_schedules', 'job_settings',
                'job_schedule_version', 'feature_flag', 'feature_flag_changes', 'feature_flag_version', 'job_hand_backs',
                'job_hand_back_places', 'job_leases', 'job_repairs', 'supaqueue_migrations',
                'rollout_steps', 'rollout_evidence', 'rollout_notices',
                'job_cohorts', 'job_cohort_marks', 'job_backlogs',
                'job_probes', 'job_worker_calls', 'job_unique_keys', 'job_waiting_limits', 'job_lines',
                'job_running_limits', 'job_limit_windows',
                'job_order_key_signals', 'job_order_key_queues')
    loop
        execute format('revoke all on %s %s from %s',
            case relation.relkind when 'S' then 'sequence' else 'table' end, relation.name, api_roles);
        -- Reading is no move: dashboards and ad hoc queries may, over the service key only.
        if relation.relkind <> 'S' and exists (select from pg_roles where rolname = 'service_role') then
            execute format('grant select on table %s to service_role', relation.name);
        end if;
        -- The emergency update works from everywhere; the table's triggers hold it to the rules.
        if relation.relname = 'feature_flag' and exists (select from pg_roles where rolname = 'service_role') then
            execute format('grant update (is_enabled, rollout_percent, updated_by, reason) on table %s to service_role',
                relation.name);
        end if;
    end loop;

    for routine in
        select p.oid::regprocedure as name, p.proname from pg_proc p
        where p.pronamespace = quote_ident(current_schema())::regnamespace
            and (p.proname in ('queue_is_open', 'job_bucket', 'enqueue_job', 'enqueue_jobs') or p.proname like 'supaqueue\_%'
                or p.proname in ('contract_version_v1', 'enqueue_jobs_v1', 'claim_job_tasks_v1', 'heartbeat_job_tasks_v1',
                    'finish_job_tasks_v1', 'get_jobs_v1', 'list_jobs_v1', 'cancel_jobs_v1', 'count_jobs_v1',
                    'declare_schedules_v1', 'list_schedules_v1', 'remove_schedules_v1', 'switch_schedules_v1',
                    'tick_schedules_v1',
                    'abandon_jobs_v1', 'register_worker_v1', 'pause_queues_v1', 'resume_queues_v1', 'set_task_types_v1', 'limit_waiting_v1',
                    'limit_running_v1', 'list_running_limits_v1',
                    'list_dead_letters_v1', 'replay_job_tasks_v1', 'drop_dead_letters_v1',
                    'read_results_v1', 'list_job_tasks_v1',
                    'prune_jobs_v1', 'read_jobs_to_archive_v1', 'delete_archived_jobs_v1',
                    'read_feature_flags_v1', 'change_feature_flag_v1', 'list_flag_changes_v1', 'hand_back_jobs_v1',
                    'start_legacy_v1', 'record_outcomes_v1', 'list_mirrors_v1', 'settle_mirrors_v1', 'take_over_jobs_v1',
                    'open_taken_over_jobs_v1', 'hold_lease_v1', 'count_mirrors_v1', 'observe_jobs_v1', 'observe_jobs_by_id_v1',
                    'list_task_types_v1', 'repair_mirrors_v1', 'repair_copies_v1', 'list_repairs_v1',
                    'declare_rollout_step_v1', 'decide_rollout_step_v1', 'list_rollout_steps_v1', 'keep_rollout_evidence_v1',
                    'read_rollout_evidence_v1', 'list_rollout_notices_v1', 'settle_rollout_notices_v1',
                    'record_first_failures_v1', 'close_cohorts_v1', 'read_cohorts_v1', 'read_cohort_totals_v1',
                    'send_probes_v1', 'read_probes_v1', 'count_worker_calls_v1',
                    'list_blocked_keys_v1', 'release_keys_v1'))
    loop
        execute format('revoke all on function %s from %s', routine.name, api_roles);
        if routine.proname like '%\_v1' and exists (select from pg_roles where rolname = 'service_role') then
            execute format('grant execute on function %s to service_role', routine.name);
        end if;
        if routine.proname in ('contract_version_v1', 'claim_job_tasks_v1', 'heartbeat_job_tasks_v1',
                'declare_schedules_v1', 'list_schedules_v1', 'tick_schedules_v1', 'read_results_v1',
                'finish_job_tasks_v1', 'register_worker_v1', 'set_task_types_v1',
                'read_feature_flags_v1', 'start_legacy_v1', 'record_outcomes_v1', 'list_mirrors_v1', 'settle_mirrors_v1',
                'open_taken_over_jobs_v1', 'hold_lease_v1', 'record_first_failures_v1') then
            execute format('grant execute on function %s to supaqueue_worker', routine.name);
        end if;
        if routine.proname in ('contract_version_v1', 'enqueue_jobs_v1', 'get_jobs_v1', 'list_jobs_v1', 'cancel_jobs_v1',
                'list_schedules_v1', 'list_job_tasks_v1',
                'count_jobs_v1', 'abandon_jobs_v1', 'read_feature_flags_v1') then
            execute format('grant execute on function %s to supaqueue_producer', routine.name);
        end if;
    end loop;

    execute format('grant usage on schema %I to supaqueue_worker, supaqueue_producer', current_schema());
    if exists (select from pg_roles where rolname = 'service_role') then
        execute format('grant usage on schema %I to service_role', current_schema());
    end if;
end $$;
