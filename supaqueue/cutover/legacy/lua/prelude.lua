-- Stands before every script of the index. KEYS: seven sorted sets of job ids, a hash, three more such sets (the last with epochs), then a
-- hash per entry asked for.
local ACCEPTED, INTENTS, PUBLISHED, PARKED, RUNNING, UNSENT, OVER, UNSTAMPED, NOTED, RESERVED, FIRST_FAILURES =
    unpack(KEYS, 1, 11)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local WAITING = {intent = INTENTS, published = PUBLISHED, parked = PARKED}

local function entries()
    return #KEYS - 11
end

local function key_of(n)
    return KEYS[11 + n]
end

local function microseconds(number)
    return string.format('%.0f', number)
end

local FIELDS = {
    'state', 'owner', 'content', 'closed_as', 'ended_at', 'runner', 'finisher', 'due_at', 'epoch', 'runs_until', 'starts'
}

-- Returns nil if there is none. Times are microseconds since 1970, which a double holds until the year 2255.
local function read(key)
    local values = redis.call('HMGET', key, unpack(FIELDS))
    if not values[1] then return nil end
    local entry = {}
    for n, field in ipairs(FIELDS) do entry[field] = values[n] end
    entry.epoch = tonumber(entry.epoch)
    entry.runs_until = tonumber(entry.runs_until or 0)
    entry.starts = tonumber(entry.starts)
    return entry
end

local function stop_waiting(id)
    for _, set in pairs(WAITING) do redis.call('ZREM', set, id) end
end

local function set_state(key, id, state)
    stop_waiting(id)
    if WAITING[state] then redis.call('ZADD', WAITING[state], now, id) end
    redis.call('HSET', key, 'state', state)
end

-- Later than that of every entry before this call: a list that has come to a place misses nothing before it, even if the
-- server's clock is set back.
local accepted_at
local function next_moment()
    local last = redis.call('ZRANGE', ACCEPTED, -1, -1, 'WITHSCORES')
    return last[2] and math.max(now, last[2] + 1) or now
end

local function store(key, id, owner, epoch, state)
    accepted_at = accepted_at or next_moment()
    redis.call('HSET', key, 'owner', owner, 'epoch', epoch, 'accepted_at', microseconds(accepted_at), 'starts', 0)
    redis.call('ZADD', ACCEPTED, accepted_at, id)
    set_state(key, id, state)
end

local function set_job(key, job, content, due_at)
    redis.call('HSET', key, 'job', job, 'content', content)
    if due_at ~= '' then redis.call('HSET', key, 'due_at', due_at) end
end

local function free_marker(key, id)
    redis.call('HDEL', key, 'runner', 'runs_until')
    redis.call('ZREM', RUNNING, id)
end

local function set_ending(key, id, ending, ended_at)
    stop_waiting(id)
    free_marker(key, id)
    redis.call('HSET', key, 'ending', ending, 'ended_at', ended_at ~= '' and ended_at or microseconds(now))
end
