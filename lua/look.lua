-- What became of a claim whose answer was lost. Changes nothing.
--
-- KEYS  1 units   2 seal
-- ARGV  1 this server's run id, then for each pick: unit ordinal, tap, the last journal sequence applied
-- Answers, one string for each pick in order, as claim.lua has them:
--       GO            the word is this tap's, or there is none, or the gateway knows better
--       WAIT          the word is another tap's
--       NEWS <seq>    the journal says more than the gateway has applied
-- or the one string UNSEALED.

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

local answers = {}

for at = 2, #ARGV, 3 do
  local tap, applied = ARGV[at + 1], tonumber(ARGV[at + 2])
  local state, seq, rest = read(redis.call('HGET', KEYS[1], ARGV[at]))
  local answer = 'GO'
  if state == 'p' then
    if (string.match(rest, '^%d+:(.*)$') or tap) ~= tap then
      answer = 'WAIT'
    end
  elseif state and state ~= 'f' and seq > applied then
    answer = 'NEWS ' .. string.format('%.0f', seq)
  end
  answers[#answers + 1] = answer
end

return answers
