for n = 1, entries() do
    local entry = read(key_of(n))
    if entry and not entry.ended_at then redis.call('HSET', key_of(n), 'cancel_requested', 1) end
end
