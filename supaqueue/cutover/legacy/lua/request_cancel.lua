for n = 1, entries() do
    if redis.call('EXISTS', key_of(n)) == 1 then redis.call('HSET', key_of(n), 'cancel_requested', 1) end
end
