-- ARGV: 1 if it was settled that legacy owns them, then per entry: id, job, content, due_at, delay. Returns per entry:
-- answer, whether its message is due, when it may run, owner, epoch.
local is_settled = ARGV[1] == '1'
local answers = {}

local function due(at, delay)
    return delay ~= '' and microseconds(now + delay) or at
end

local function answer_of(entry, content)
    local is_as_given = entry.owner == 'legacy' and entry.epoch == 0
    local is_other = is_as_given and entry.content ~= content
    return (is_other or entry.closed_as == 'abandoned') and 'conflict' or 'exists'
end

for n = 1, entries() do
    local id, job, content, at, delay = unpack(ARGV, n * 5 - 3, n * 5 + 1)
    local entry = read(key_of(n))
    if entry then
        local answer = answer_of(entry, content)
        local is_intent = entry.state == 'intent' and entry.epoch == 0 and not entry.ended_at
        local message_due = answer == 'exists' and is_intent
        answers[n] = {answer, message_due and 1 or 0, entry.due_at or '', entry.owner, entry.epoch}
    elseif not is_settled and redis.call('ZSCORE', RESERVED, id) then
        answers[n] = {'reserved', 0, '', 'legacy', 0}
    else
        local due_at = due(at, delay)
        store(key_of(n), id, 'legacy', 0, 'intent')
        set_job(key_of(n), job, content, due_at)
        answers[n] = {'created', 1, due_at, 'legacy', 0}
    end
end
return answers
