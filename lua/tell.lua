-- Tells what is committed: words of units, each if it is newer than what stands there, and journal entries for the stream.
--
-- KEYS  1 units   2 stream
-- ARGV  1 how many entries the stream keeps (about)   2 seconds after which an epoch that nobody touches is forgotten
--       then for each entry: seq, unit ordinal or '', word ('o<seq>:<owner>', 'w<seq>', 'f<seq>') or '',
--       and kind, version, at, body as the journal has them; an empty kind is a word alone (a rebuild)
-- Answers: the stream's last sequence.
--
-- An entry's id in the stream is '<seq>-0': Redis keeps them in order, and whoever comes second adds nothing.

-- A word's state, sequence, rest; nothing for what is none, which is as good as no word. Fifteen digits: more are not exact.
local function read(word)
  local state, seq, rest = string.match(word or '', '^([fopw])(%d+):?(.*)$')
  if state and #seq <= 15 then
    return state, tonumber(seq), rest
  end
end

local last = 0
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if newest then
  last = tonumber(string.match(newest[1], '^(%d+)'))
end

for at = 3, #ARGV, 7 do
  local seq, unit, word, kind = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if unit ~= '' then
    local state, before, rest = read(redis.call('HGET', KEYS[1], unit))
    if not state or seq > before then
      if state == 'p' and string.sub(word, 1, 1) == 'f' then
        -- Freed, and somebody is on the way already: theirs stays, the sequence is remembered.
        word = string.format('p%.0f:%s', seq, rest)
      end
      redis.call('HSET', KEYS[1], unit, word)
    end
  end
  if kind ~= '' and seq > last then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], ARGV[at] .. '-0',
      'k', kind, 'v', ARGV[at + 4], 'a', ARGV[at + 5], 'b', ARGV[at + 6])
    last = seq
  end
end

redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return string.format('%.0f', last)
