-- The database as Supabase hands it over, as far as the API is concerned.
-- Run once, by the cluster's superuser `supabase_admin`, in single-user mode: there a statement ends at a
-- semicolon that an empty line follows, so no statement may hold one.

create role anon nologin inherit;

create role authenticated nologin inherit;

create role service_role nologin inherit bypassrls;

create role authenticator login noinherit;

create role postgres login inherit createdb createrole replication bypassrls;

grant anon, authenticated, service_role to authenticator;

grant anon, authenticated, service_role, authenticator to postgres with admin option;

grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

alter role anon set statement_timeout = '3s';

alter role authenticated set statement_timeout = '8s';

alter role authenticator set statement_timeout = '8s';

alter role authenticator set lock_timeout = '8s';

alter role postgres set search_path = "$user", public, extensions;

alter role supabase_admin set search_path = "$user", public, extensions;

alter database postgres owner to postgres;

create schema extensions authorization postgres;

create schema graphql_public;

grant usage on schema public, extensions, graphql_public to postgres, anon, authenticated, service_role;

-- The trap of every Supabase project: whatever is made in `public` is open to the API until it is closed.
alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;

alter default privileges for role postgres in schema public
  grant all on functions to postgres, anon, authenticated, service_role;

alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

alter default privileges for role supabase_admin in schema public
  grant all on tables to postgres, anon, authenticated, service_role;

alter default privileges for role supabase_admin in schema public
  grant all on functions to postgres, anon, authenticated, service_role;

alter default privileges for role supabase_admin in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

-- PostgREST learns of new tables and functions without being told, as on a hosted project.
create function extensions.reload_api_after_change() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create function extensions.reload_api_after_drop() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger_dropped_objects() as dropped
    where not dropped.is_temporary
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create event trigger pgrst_ddl_watch on ddl_command_end
  when tag in (
    'CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
    'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW',
    'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE TYPE', 'ALTER TYPE', 'COMMENT'
  )
  execute function extensions.reload_api_after_change();

create event trigger pgrst_drop_watch on sql_drop
  execute function extensions.reload_api_after_drop();

