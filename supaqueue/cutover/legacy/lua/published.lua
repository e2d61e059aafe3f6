-- ARGV per entry: id, epoch, native id.
for n = 1, entries() do
    local id, epoch, native_id = unpack(ARGV, n * 3 - 2, n * 3)
    local entry = read(key_of(n))
    if entry and entry.state == 'intent' and entry.epoch == tonumber(epoch) then
        redis.call('HSET', key_of(n), 'native_id', native_id)
        set_state(key_of(n), id, 'published')
        if entry.ended_at then stop_waiting(id) end
    end
end
