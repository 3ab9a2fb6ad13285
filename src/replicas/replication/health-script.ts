import { script } from '../../redis/script.ts'
import { transitionLog } from '../../store/redis/scripts.ts'

/** How long Redis keeps the health of a service after its last update, in milliseconds. */
const keepMs = 7 * 86_400_000

/**
 * Stores the health updates of several services. KEYS: meta, stream, leases, transitions, last, and for each update the health key of its service.
 * ARGV: replica, the most transitions to keep, and for each update:
 * - service, shard, fencing token ('0' for a check on demand)
 * - the number of records, and for each its field, the version that it continues from, and the health as JSON
 * - the number of fields to delete, and these fields
 * - the number of transitions, and for each the service if it is of the service itself (else ''), the new status, and the JSON without its id
 *
 * The script accepts an update as a whole or not at all. A rejected update is of a replica that no longer holds the lease, or comes after another
 * outcome of the same target. Returns the version that accepted records have now, and for each update 1 (accepted), 0 (conflict) or -1 (fenced,
 * because the token is old).
 *
 * The last transition of a service that was removed is to unknown. Several replicas may report it, and the script accepts it only once.
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
-- A valid version is at most one hour of entries ahead. Other programs may write anything to a health key.
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

-- Returns whether a field has this version. '0' stands for a field without a version that can be read.
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
    -- A key of another type is left unchanged. The stream still gets the update, but the key does not.
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
    -- One call for each field, because there may be more fields than Lua takes as arguments.
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
 * Reads the health of services. KEYS: meta, and the health keys. Returns the newest entry, and for each key a flat list of fields and values, or the
 * type of a key that is not a hash.
 */
export const readHealthScript = script(`
local found = { whole(meta(KEYS[1], 'head')) }
for i = 2, #KEYS do
  found[i] = is(KEYS[i], 'hash') and redis.call('HGETALL', KEYS[i]) or redis.call('TYPE', KEYS[i]).ok
end
return found`)

/**
 * Decides which replica backfills a store that is new or lost its data: the first one that asks. KEYS: meta. ARGV: replica, and the id and time after
 * which its transition log is complete. Returns 1 for that replica, also when it asks again; 2 while another replica backfills the store; 0 once that
 * is done. A replica that has not finished after 30 seconds counts as dead.
 */
export const seedScript = script(`
local key, replica = KEYS[1], ARGV[1]
local now = math.floor(micros() / 1000)
local seeded = redis.call('HGET', key, 'seeded')
if seeded then
  local by, at = string.match(seeded, '^(%S+) (%d+)$')
  at = number(at)
  -- A value of another program also counts as done, because it hides whether the store lost its data.
  if not at then return 0 end
  if by ~= replica and now - at < 30000 then return 2 end
end
redis.call('HSET', key, 'seeded', replica .. ' ' .. whole(now), 'after_id', ARGV[2], 'after_at', ARGV[3])
redis.call('HSETNX', key, 'created', ARGV[3])
return 1`)

/** Ends the backfill: all replicas read the transition log again. KEYS: meta, stream. */
export const seededScript = script(`
redis.call('HSET', KEYS[1], 'seeded', 'done')
return push(KEYS[2], KEYS[1], 'log')`)

/** Deletes the health of a service. KEYS: its health key. */
export const forgetHealthScript = script(`return redis.call('DEL', KEYS[1])`)
