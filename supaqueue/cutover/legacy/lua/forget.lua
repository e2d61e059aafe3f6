-- ARGV: before, then per entry: id. Returns how many were removed: one released since the look is over no more.
local removed = 0
for n = 1, entries() do
    local id = ARGV[n + 1]
    local over_since = redis.call('ZSCORE', OVER, id)
    if over_since and tonumber(over_since) < tonumber(ARGV[1]) then
        local failed = redis.call('HGET', key_of(n), 'first_failed')
        if failed then redis.call('ZREM', FIRST_FAILURES, failed .. ':' .. id) end
        redis.call('DEL', key_of(n))
        redis.call('ZREM', OVER, id)
        redis.call('ZREM', ACCEPTED, id)
        removed = removed + 1
    end
end
return removed
