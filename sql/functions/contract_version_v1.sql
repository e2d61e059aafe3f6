create or replace function contract_version_v1() returns jsonb
language sql stable security definer
set search_path from current
return jsonb_build_object('newest', 1, 'oldest', 1);
