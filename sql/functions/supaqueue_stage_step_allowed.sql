-- The steps between the stages of a cutover, one way each.
create or replace function supaqueue_stage_step_allowed(before text, after text) returns boolean
language sql immutable parallel safe
set search_path from current
return before = after or (before, after) in (
    ('complete', 'off'), ('off', 'mirror'), ('mirror', 'off'), ('mirror', 'shadow'), ('shadow', 'mirror'), ('mirror', 'canary'),
    ('shadow', 'canary'), ('canary', 'mirror'), ('canary', 'shadow'), ('canary', 'live'), ('live', 'canary'), ('live', 'complete'),
    ('complete', 'live'));
