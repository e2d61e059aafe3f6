local unstamped = redis.call('HMGET', UNSTAMPED, 'runs', 'last_at')
return {
    redis.call('ZCARD', INTENTS),
    redis.call('ZCARD', PUBLISHED),
    redis.call('ZCARD', PARKED),
    redis.call('ZCOUNT', RUNNING, '(' .. microseconds(now), '+inf'),
    redis.call('ZCARD', UNSENT),
    tonumber(unstamped[1] or 0),
    unstamped[2] or '',
}
