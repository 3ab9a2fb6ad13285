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

-- A single number; 0 while there is none.
local function meta(key, field)
  return tonumber(redis.call('HGET', key, field) or '0')
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

-- Adds an entry to the stream. It names the one before it, so that a reader sees when one is missing.
local function pushAs(number, stream, key, kind, ...)
  local before = whole(meta(key, 'head'))
  -- Numbers are about milliseconds: who is further behind than a minute reads everything anew.
  redis.call('XADD', stream, 'MINID', '~', whole(number - 60000), whole(number) .. '-0', 'kind', kind, 'before', before, ...)
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
