-- ARGV: id, epoch, runner. What failed first is kept in the entry, so that it is told of once an epoch.
local id, epoch, runner = unpack(ARGV)
local key = key_of(1)
local entry = read(key)
if not entry or entry.runner ~= runner or entry.epoch ~= tonumber(epoch) then return end
free_marker(key, id)
if redis.call('HGET', key, 'first_failed') ~= epoch then
    redis.call('HSET', key, 'first_failed', epoch)
    redis.call('ZADD', FIRST_FAILURES, now, epoch .. ':' .. id)
end
