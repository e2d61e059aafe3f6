-- ARGV per entry: id.
for n = 1, entries() do
    if redis.call('ZREM', UNSENT, ARGV[n]) == 1 then redis.call('ZADD', OVER, now, ARGV[n]) end
end
