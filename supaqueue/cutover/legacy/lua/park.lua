-- ARGV per entry: id, job, content, due_at. Returns per entry whether it was stored.
local stored = {}
for n = 1, entries() do
    local id, job, content, due_at = unpack(ARGV, n * 4 - 3, n * 4)
    stored[n] = read(key_of(n)) and 0 or 1
    if stored[n] == 1 then
        store(key_of(n), id, 'supabase', 0, 'parked')
        set_job(key_of(n), job, content, due_at)
    end
end
return stored
