import { script } from '../redis/script.ts'
import { transitionLog } from '../store/redis-scripts.ts'

/** How long what is remembered of a service is kept after the last that was heard of it, in milliseconds. */
const keepMs = 7 * 86_400_000

/**
 * Takes what was found of several services. KEYS meta stream leases transitions last, and for each update the key of its service's health. ARGV
 * replica, most transitions, and for each update: service, shard, token ('0' where it was only asked for); the number of records, and of each
 * its field, the version it goes on from, and what is remembered as JSON; the number of fields to forget, and these; the number of transitions,
 * and of each the service if it is its own, the new status, and all but its id as JSON.
 *
 * Of a service that is gone the last transition is to unknown: that is taken once, however many tell of it.
 *
 * An update counts whole or not at all: not when another holds the lease by now, and not when somebody else's outcome of the same target
 * came before. Returns the version that what counts has now, and for each update 1, 0 (overtaken) or -1 (an old token).
 */
export const publishScript = script(
  transitionLog,
  `
local key, stream, leases, transitions, last = unpack(KEYS, 1, 5)
local problem = wrong('hash', leases) or wrong('stream', stream)
if problem then return problem end
local replica, most = ARGV[1], tonumber(ARGV[2])
local entry = nextEntry(key)
local version = whole(entry)
-- No version is further ahead than an hour of entries: a health key may hold anything.
local latest = entry + 3600000
local results, records, told = { version }, {}, {}
local at, index = 3, 5

local function take(count)
  local from = at
  at = at + count
  return unpack(ARGV, from, from + count - 1)
end

local function isOld(shard, token)
  if token == '0' then return false end
  local lease = redis.call('HGET', leases, shard)
  return not lease or string.match(lease, '^%d+') ~= token
end

-- Whether a field has this version; '0' where there is none that can be read.
local function goesOn(value, base)
  if not value then return base == '0' end
  if base ~= '0' then return string.sub(value, 1, #base + 1) == base .. ' ' end
  local version = number(string.match(value, '^(%d+) '))
  return not version or version > latest
end

while at <= #ARGV do
  index = index + 1
  local health = KEYS[index]
  local service, shard, token = take(3)
  local verdict = isOld(shard, token) and -1 or 1
  local fields, written, isKept = {}, {}, true
  for _ = 1, tonumber((take(1))) do
    local field, base, memory = take(3)
    local current = redis.pcall('HGET', health, field)
    -- A key of another kind stays as it is: what was found is told all the same, and not kept.
    if type(current) == 'table' then
      isKept = false
    elseif verdict == 1 and not goesOn(current, base) then
      verdict = 0
    end
    fields[#fields + 1] = { field, version .. ' ' .. memory }
    written[#written + 1] = '[' .. cjson.encode(field) .. ',' .. memory .. ']'
  end
  local gone = {}
  for _ = 1, tonumber((take(1))) do gone[#gone + 1] = take(1) end
  local changes = {}
  for _ = 1, tonumber((take(1))) do changes[#changes + 1] = { take(3) } end
  results[#results + 1] = verdict
  if verdict == 1 then
    -- One by one: there may be more than Lua takes as arguments.
    for _, field in ipairs(gone) do redis.pcall('HDEL', health, field) end
    if isKept then
      for _, field in ipairs(fields) do redis.call('HSET', health, unpack(field)) end
    end
    if #fields > 0 then
      if isKept then redis.call('PEXPIRE', health, ${keepMs}) end
      records[#records + 1] = '[' .. cjson.encode(service) .. ',[' .. table.concat(written, ',') .. ']]'
    end
    for _, change in ipairs(changes) do
      local own, to, json = unpack(change)
      local wasKnown = not string.find(json, '"from":"unknown"', 1, true)
      local isTold = #fields == 0 and to == 'unknown' and wasKnown and is(last, 'hash') and redis.call('HEXISTS', last, own) == 0
      if not isTold then
        local id = math.max(meta(key, 'transition') + 1, micros())
        json = '{"id":' .. whole(id) .. ',' .. string.sub(json, 2)
        keep(transitions, last, key, id, own, to, json)
        told[#told + 1] = json
      end
    end
  end
end

if #records == 0 and #told == 0 then return results end
bound(transitions, key, most)
pushAs(entry, stream, key, 'health', 'replica', replica, 'records', '[' .. table.concat(records, ',') .. ']',
  'transitions', '[' .. table.concat(told, ',') .. ']')
return results`,
)

/**
 * What is remembered of services. KEYS meta, and the keys of their health. Returns the newest entry, and for each a flat list of fields and
 * values, or the kind of a key that is no hash.
 */
export const readHealthScript = script(`
local found = { whole(meta(KEYS[1], 'head')) }
for i = 2, #KEYS do
  found[i] = is(KEYS[i], 'hash') and redis.call('HGETALL', KEYS[i]) or redis.call('TYPE', KEYS[i]).ok
end
return found`)

/**
 * The first replica after a store was lost, or never was, tells what it remembers of what happened. KEYS meta. ARGV replica, and the id and
 * time after which it misses nothing. Returns 1 for the one that does, also when it comes back to it; 2 while another does; 0 when
 * that is done. One that has not come to its end within half a minute has died.
 */
export const seedScript = script(`
local key, replica = KEYS[1], ARGV[1]
local now = math.floor(micros() / 1000)
local seeded = redis.call('HGET', key, 'seeded')
if seeded then
  local by, at = string.match(seeded, '^(%S+) (%d+)$')
  at = number(at)
  -- Also where something else wrote it: then nobody knows that the store was lost.
  if not at then return 0 end
  if by ~= replica and now - at < 30000 then return 2 end
end
redis.call('HSET', key, 'seeded', replica .. ' ' .. whole(now), 'after_id', ARGV[2], 'after_at', ARGV[3])
redis.call('HSETNX', key, 'created', ARGV[3])
return 1`)

/** All is told that the first replica remembers: everybody reads the log of transitions anew. KEYS meta stream. */
export const seededScript = script(`
redis.call('HSET', KEYS[1], 'seeded', 'done')
return push(KEYS[2], KEYS[1], 'log')`)

/** Forgets what is remembered of a service. KEYS the key of its health. */
export const forgetHealthScript = script(`return redis.call('DEL', KEYS[1])`)
