-- The mark of one axis as the last claim answered it; null where there is none.
create or replace function supaqueue_read_mark(given jsonb, axis text) returns job_claim_mark
language sql stable
set search_path from current
return case when jsonb_typeof(given -> axis) = 'object' then jsonb_populate_record(null::job_claim_mark, given -> axis) end;
