import { hash } from 'node:crypto'

/** A Lua script, which Redis runs whole or not at all, and nothing else meanwhile. */
export type Script = { readonly text: string; readonly sha1: string }

/** What every script may use. Numbers stay below 2^53, where Lua's are exact; `%.0f` writes them without an exponent. */
const prelude = `
-- The time of day on Redis's clock, in microseconds.
local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function whole(number)
  return string.format('%.0f', number)
end

-- A number of 0 or more that is written as text and exact; nil for whatever else somebody wrote.
local function number(text)
  if type(text) ~= 'string' or not (string.find(text, '^%d+$') or string.find(text, '^%d+%.%d+$')) then return nil end
  local value = tonumber(text)
  return value < 9e15 and value or nil
end

-- No clock is wrong by more than ten years: nothing could follow a number that is much larger. In microseconds.
local mostAhead = 3650 * 86400 * 1000000
local isInMicros = { transition = true, after_id = true, forgotten = true }

-- A single number; 0 while there is none, or none that can be read. What goes on from it is then as large as the clock says.
local function meta(key, field)
  local value = number(redis.call('HGET', key, field)) or 0
  return value * (isInMicros[field] and 1 or 1000) <= micros() + mostAhead and value or 0
end

-- Whether a key is of this kind, or not there.
local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end

-- Names the first key that is of another kind. A script asks before its first change, because one that breaks off leaves what it did.
local function wrong(kind, ...)
  for _, key in ipairs({ ... }) do
    if not is(key, kind) then
      return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. redis.call('TYPE', key).ok .. ' and not a ' .. kind)
    end
  end
end

-- A transition as a table; nil where a text is none, or is kept by another number than its own.
local function decode(json, score)
  local isRead, one = pcall(cjson.decode, json)
  if not isRead or type(one) ~= 'table' or type(one.id) ~= 'number' or type(one.at) ~= 'number' then return nil end
  if not score or tonumber(score) == one.id then return one end
end

-- The first that uses a namespace dates it: before that nothing is known. In milliseconds.
local function begin(key, now)
  if redis.call('HSETNX', key, 'created', whole(now)) == 1 then
    redis.call('HSET', key, 'after_id', whole(math.floor(now) * 1000), 'after_at', string.format('%.17g', now))
  end
end

-- The number of the next entry of the stream: larger than all before it, also than those of a store that was lost.
local function nextEntry(key)
  return math.max(meta(key, 'head') + 1, math.floor(micros() / 1000))
end

-- The number after the last entry of a stream to which something else added one with a larger number. Redis takes no smaller one, also after
-- that entry was removed; so what the stream remembers of it is set back first, as far as the entries allow.
local function afterForeign(stream, key)
  local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local last = top and tonumber(string.match(top[1], '^%d+')) or 0
  if last * 1000 > micros() + mostAhead then
    error({ err = 'ERR ' .. stream .. ' has the entry ' .. top[1] .. ', after which no other fits: remove it with XDEL' })
  end
  redis.call('XSETID', stream, whole(math.max(last, meta(key, 'head'))) .. '-18446744073709551615')
  return math.max(last, meta(key, 'head')) + 1
end

-- Adds an entry to the stream. It names the one before it, so that a reader sees when one is missing.
local function pushAs(number, stream, key, kind, ...)
  local before = whole(meta(key, 'head'))
  -- Numbers are about milliseconds: who is further behind than a minute reads everything anew.
  local keepFrom = whole(number - 60000)
  local added = redis.pcall('XADD', stream, 'MINID', '~', keepFrom, whole(number) .. '-0', 'kind', kind, 'before', before, ...)
  if type(added) == 'table' then
    number = afterForeign(stream, key)
    redis.call('XADD', stream, 'MINID', '~', keepFrom, whole(number) .. '-0', 'kind', kind, 'before', before, ...)
  end
  redis.call('HSET', key, 'head', whole(number))
  return number
end

local function push(stream, key, kind, ...)
  return pushAs(nextEntry(key), stream, key, kind, ...)
end
`

/** A script out of its own text, and of what others share with it. */
export function script(...parts: readonly string[]): Script {
  const text = [prelude, ...parts].join('\n')
  return { text, sha1: hash('sha1', text) }
}
