import { hash } from 'node:crypto'

/** A Lua script. Redis runs no other command while a script runs. An error inside a script does not undo the changes before it. */
export type Script = { readonly text: string; readonly sha1: string }

/** The functions that all scripts share. Numbers stay below 2^53, where numbers of Lua are exact. `%.0f` writes them without an exponent. */
const prelude = `
-- Returns the time of day on the clock of Redis, in microseconds.
local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function whole(number)
  return string.format('%.0f', number)
end

-- Parses a number of at least 0 that Lua holds exactly. Returns nil for any other value.
local function number(text)
  if type(text) ~= 'string' or not (string.find(text, '^%d+$') or string.find(text, '^%d+%.%d+$')) then return nil end
  local value = tonumber(text)
  return value < 9e15 and value or nil
end

-- How far a stored number may be ahead of the clock, in microseconds. No clock is wrong by more than ten years. A much larger number would leave no
-- room for the numbers after it.
local mostAhead = 3650 * 86400 * 1000000
local isInMicros = { transition = true, after_id = true, forgotten = true }

-- Returns a single number; 0 if it is absent or invalid. The number that follows is then taken from the clock.
local function meta(key, field)
  local value = number(redis.call('HGET', key, field)) or 0
  return value * (isInMicros[field] and 1 or 1000) <= micros() + mostAhead and value or 0
end

-- Returns whether a key has this type or does not exist.
local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end

-- Returns an error for the first key that has another type. A script calls this before its first change, because an error after that would leave the
-- change in place.
local function wrong(kind, ...)
  for _, key in ipairs({ ... }) do
    if not is(key, kind) then
      return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. redis.call('TYPE', key).ok .. ' and not a ' .. kind)
    end
  end
end

-- Parses a transition. Returns nil if the text is not a transition, or if its score is not its id.
local function decode(json, score)
  local isRead, one = pcall(cjson.decode, json)
  if not isRead or type(one) ~= 'table' or type(one.id) ~= 'number' or type(one.at) ~= 'number' then return nil end
  if not score or tonumber(score) == one.id then return one end
end

-- Records when the namespace is used for the first time, in milliseconds. Porthole knows nothing about the time before that.
local function begin(key, now)
  if redis.call('HSETNX', key, 'created', whole(now)) == 1 then
    redis.call('HSET', key, 'after_id', whole(math.floor(now) * 1000), 'after_at', string.format('%.17g', now))
  end
end

-- Returns the number of the next entry of the stream. It is larger than all numbers before it, even those of a store that was lost, because it is
-- never below the time in milliseconds.
local function nextEntry(key)
  return math.max(meta(key, 'head') + 1, math.floor(micros() / 1000))
end

-- Returns the number of the next entry after another program added an entry with a larger number. Redis rejects smaller numbers, even after that
-- entry was removed. So this sets the last id of the stream back first, as far as the entries allow.
local function afterForeign(stream, key)
  local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local last = top and tonumber(string.match(top[1], '^%d+')) or 0
  if last * 1000 > micros() + mostAhead then
    error({ err = 'ERR ' .. stream .. ' has the entry ' .. top[1] .. ', and its number is too large for a next one: remove it with XDEL' })
  end
  redis.call('XSETID', stream, whole(math.max(last, meta(key, 'head'))) .. '-18446744073709551615')
  return math.max(last, meta(key, 'head')) + 1
end

-- Adds an entry to the stream. The entry names the one before it, so that a reader notices when one is missing.
local function pushAs(number, stream, key, kind, ...)
  local before = whole(meta(key, 'head'))
  -- Numbers are close to milliseconds. A reader that is more than one minute behind has to read everything again.
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

/** Returns a script that consists of the shared functions and these parts. */
export function script(...parts: readonly string[]): Script {
  const text = [prelude, ...parts].join('\n')
  return { text, sha1: hash('sha1', text) }
}
