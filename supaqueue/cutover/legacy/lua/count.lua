return {
    redis.call('ZCARD', INTENTS),
    redis.call('ZCARD', PUBLISHED),
    redis.call('ZCARD', PARKED),
    redis.call('ZCOUNT', RUNNING, '(' .. microseconds(now), '+inf'),
    redis.call('ZCARD', UNSENT),
}
