-- ARGV per entry: epoch. Returns per entry whether it is an intent under it.
local answers = {}
for n = 1, entries() do
    local entry = read(key_of(n))
    local is_intent = entry and entry.state == 'intent' and not entry.ended_at
    answers[n] = is_intent and entry.epoch == tonumber(ARGV[n]) and 1 or 0
end
return answers
