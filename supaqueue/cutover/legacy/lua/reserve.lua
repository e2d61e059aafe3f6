-- ARGV per entry: id. Returns per entry who has it.
local owners = {}
for n = 1, entries() do
    local entry = read(key_of(n))
    if not entry then redis.call('ZADD', RESERVED, now, ARGV[n]) end
    owners[n] = entry and entry.owner or 'supabase'
end
return owners
