redis.call('HINCRBY', UNSTAMPED, 'runs', 1)
redis.call('HSET', UNSTAMPED, 'last_at', microseconds(now))
