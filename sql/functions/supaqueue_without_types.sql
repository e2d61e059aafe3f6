-- These types without some to run: their shadows and probes are not limited.
create or replace function supaqueue_without_types(types job_claim_types, full_types text[]) returns job_claim_types
language sql immutable
set search_path from current
as $$
    select row(
        (select array_agg(t) from unnest((types).run) as t where t <> all (full_types)),
        (types).drain, (types).shadow, (types).probe)::job_claim_types
$$;
