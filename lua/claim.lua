-- Marks units as on their way to the database, for all picks that wait: one call, however many.
--
-- KEYS  1 units (hash: unit ordinal → word)   2 seal
-- ARGV  1 this server's run id   2 milliseconds after which a pending word is void
--       then for each pick: unit ordinal, tap (whose and which), the last journal sequence that the gateway has applied
-- Answers, one string for each pick in order:
--       GO            nobody is known to be ahead: on to the database, which decides
--       WAIT          another tap is on its way to the database
--       NEWS <seq>    the journal says more about this unit than the gateway has applied: read on to <seq>, decide again
-- or the one string UNSEALED: this epoch was not loaded here, nothing was changed.
--
-- A word is  o<seq>:<owner>  w<seq>  f<seq>  (occupied, withheld, free: what the journal says at <seq>), or
-- p<seq>:<since ms>:<tap>  (pending; <seq> is what was known before, 0 if nothing). No word means: ask the database.

-- A word's state, sequence, rest; nothing for what is none, which is as good as no word. Fifteen digits: more are not exact.
local function read(word)
  local state, seq, rest = string.match(word or '', '^([fopw])(%d+):?(.*)$')
  if state and #seq <= 15 then
    return state, tonumber(seq), rest
  end
end

if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return { 'UNSEALED' }
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local void = tonumber(ARGV[2])
local answers = {}

for at = 3, #ARGV, 3 do
  local unit, tap, applied = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local state, seq, rest = read(redis.call('HGET', KEYS[1], unit))
  local answer = 'GO'
  if state == 'p' then
    local since, other = string.match(rest, '^(%d+):(.*)$')
    local age = now - (tonumber(since) or 0)
    -- A time ahead of the clock is another server's: such a word is as void as an old one.
    if other ~= tap and age >= 0 and age < void then
      answer = 'WAIT'
    end
  elseif state and state ~= 'f' and seq > applied then
    answer = 'NEWS ' .. string.format('%.0f', seq)
  end
  -- An occupied word at or below what the gateway has applied: this server was set back, or the gateway has applied it since
  -- gate 1 looked. The database says which; until then the word stays what the journal once said.
  if answer == 'GO' and state ~= 'o' and state ~= 'w' then
    redis.call('HSET', KEYS[1], unit, string.format('p%.0f:%.0f:%s', seq or 0, now, tap))
  end
  answers[#answers + 1] = answer
end

return answers
