import { script } from '../../redis/script.ts'
import { shardCount } from './shards.ts'

/** How much longer than granted a lease or a member may last by the clock of Redis, in milliseconds, because that clock may have been set back. */
const setBackMs = 600_000
/** How many unreadable entries one answer reports at most. */
const mostUnreadable = 1000

/**
 * Updates the membership of a replica, and renews, releases and acquires its shards, in one round trip and by the clock of Redis. KEYS: meta, stream,
 * members, leases, offers, files, declined, packed, reads. ARGV:
 * - id, attempt, lease duration in milliseconds, whether the replica is a member (1|0)
 * - the shards that it wants ("1,2,3")
 * - when it loaded its configuration file, and the digest of that file
 * - the shards that it declines ("4,5"), and the form of packed definitions that it reads
 *
 * A lease is "token owner until". Its token stays when it has no owner; the owner is "-" then. A member is "until attempt". After it leaves it is
 * "until attempt -", for as long as one of its renewals may be under way. The script treats a value as absent if it has another form, or if it lasts
 * much longer than Porthole grants. Such a value stays unchanged, unless a replica writes it again with every renewal.
 *
 * Returns nothing if the renewal arrived after a later one. Otherwise returns:
 * - the time, in microseconds
 * - the members
 * - the members that have not renewed for half a lease
 * - shard, owner and token of each shard that has an owner
 * - the newest entry of the stream
 * - how long until the first other member expires, in milliseconds, or -1
 * - the digest of the file loaded last
 * - whether the store has the definitions of this replica's file, in each form that is needed (1|0)
 * - a flat list of replicas and the shards that they decline
 * - whether a member reads definitions only as text (1|0)
 * - a flat list of the keys and fields that cannot be read
 */
export const renewScript = script(`
local key, stream, members, leases, offers, files, declined, packed, reads = unpack(KEYS)
local id, attempt, lease, isMember = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local loadedAt, digest, declines, form = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local problem = wrong('hash', members, leases) or wrong('stream', stream)
if problem then return problem end
local exactly = micros()
local now = math.floor(exactly / 1000)
local latest = now + 2 * lease + ${setBackMs}
local isNews, nextExpiry = false, -1

local odd = {}
local function skip(where, field)
  if #odd < ${2 * mostUnreadable} then
    odd[#odd + 1] = where
    odd[#odd + 1] = field
  end
end

-- Returns the fields of a hash. A key of another type counts as empty, which is harmless for these keys. The other keys are checked above.
local function all(where)
  if is(where, 'hash') then return redis.call('HGETALL', where) end
  skip(where, '')
  return {}
end
local function set(where, field, value)
  if is(where, 'hash') then redis.call('HSET', where, field, value) end
end
local function drop(where, field)
  if is(where, 'hash') then redis.call('HDEL', where, field) end
end

local live, late, alive, wasMember = {}, {}, {}, false
local mine = redis.call('HGET', members, id)
local before = mine and number(string.match(mine, '^%d+ (%d+)'))
-- A much smaller number is not of a late renewal, because only a few are ever under way.
if before and attempt <= before and before - attempt < 1000 then return {} end
local found = redis.call('HGETALL', members)
for i = 1, #found, 2 do
  local member = found[i]
  local untilTime, gone = string.match(found[i + 1], '^(%d+) %d+(.*)$')
  untilTime = number(untilTime)
  if member == id then
    wasMember = untilTime ~= nil and gone == ''
  elseif not untilTime or untilTime > latest or not string.find(member, '^[%w._%-]+$') or member == '-' then
    skip(members, member)
  elseif untilTime <= now then
    redis.call('HDEL', members, member)
    drop(offers, member)
    drop(declined, member)
    drop(reads, member)
    if gone == '' then isNews = true end
  else
    alive[member] = true
    if gone == '' then
      live[#live + 1] = member
      if untilTime - now < lease / 2 then late[#late + 1] = member end
      if nextExpiry < 0 or untilTime - now < nextExpiry then nextExpiry = untilTime - now end
    end
  end
end
if isMember then
  redis.call('HSET', members, id, whole(now + lease) .. ' ' .. whole(attempt))
  set(offers, id, loadedAt .. ' ' .. digest)
  live[#live + 1] = id
  alive[id] = true
elseif wasMember then
  redis.call('HSET', members, id, whole(now + lease) .. ' ' .. whole(attempt) .. ' -')
  drop(offers, id)
end
if isMember then set(reads, id, form) else drop(reads, id) end
-- A member of a version that reads only text has no field in this hash.
local needsText = not is(reads, 'hash')
if needsText then skip(reads, '') end
for _, member in ipairs(needsText and {} or live) do
  if redis.call('HGET', reads, member) ~= form then needsText = true end
end
if not isMember then declines = '' end
if is(declined, 'hash') and declines ~= (redis.call('HGET', declined, id) or '') then
  if declines == '' then drop(declined, id) else set(declined, id, declines) end
  isNews = true
end
if isMember ~= wasMember then isNews = true end

local wanted = {}
for shard in string.gmatch(ARGV[5], '%d+') do wanted[shard] = true end
local known, owners, changes = {}, {}, {}
found = redis.call('HGETALL', leases)
for i = 1, #found, 2 do
  local shard = found[i]
  local token, owner, untilTime = string.match(found[i + 1], '^(%d+) (%S+) (%d+)$')
  token, untilTime = number(token), number(untilTime)
  local isShard = string.find(shard, '^%d%d?%d?$') and tonumber(shard) < ${shardCount}
  if not isShard or not token or not untilTime then
    skip(leases, shard)
  else
    known[shard] = token
    if untilTime > latest then
      skip(leases, shard)
      untilTime = 0
    end
    if owner == id and not wanted[shard] then
      changes[#changes + 1] = shard
      changes[#changes + 1] = whole(token) .. ' - 0'
      isNews = true
    elseif owner ~= '-' and owner ~= id and untilTime > now then
      wanted[shard] = nil
      owners[#owners + 1] = shard
      owners[#owners + 1] = owner
      owners[#owners + 1] = whole(token)
    elseif owner == id then
      wanted[shard] = whole(token)
    end
  end
end
for shard, held in pairs(wanted) do
  local token = held == true and whole(math.max((known[shard] or 0) + 1, now)) or held
  changes[#changes + 1] = shard
  changes[#changes + 1] = token .. ' ' .. id .. ' ' .. whole(now + lease)
  owners[#owners + 1] = shard
  owners[#owners + 1] = id
  owners[#owners + 1] = token
end
if #changes > 0 then redis.call('HSET', leases, unpack(changes)) end

-- Of the files that live replicas have, the one loaded last counts. The files without an offer are deleted below. An offer without a live replica
-- counts only if its file is there, because no replica would send that file again.
local newestAt, newest, used = 0, '', {}
local hasFiles, hasPacked = is(files, 'hash'), is(packed, 'hash')
if not hasFiles then skip(files, '') end
if not hasPacked then skip(packed, '') end
local function hasFile(one)
  return (hasPacked and redis.call('HEXISTS', packed, one) == 1) or (hasFiles and redis.call('HEXISTS', files, one) == 1)
end
found = all(offers)
for i = 1, #found, 2 do
  local at, one = string.match(found[i + 1], '^(%S+) (%S+)$')
  at = number(at)
  if not at then
    skip(offers, found[i])
  else
    used[one] = true
    if not alive[found[i]] and not hasFile(one) then
      skip(offers, found[i])
    elseif at > newestAt or (at == newestAt and one > newest) then
      newestAt, newest = at, one
    end
  end
end
if isNews then
  for _, one in ipairs(hasPacked and redis.call('HKEYS', packed) or {}) do
    if not used[one] then redis.call('HDEL', packed, one) end
  end
  for _, one in ipairs(hasFiles and redis.call('HKEYS', files) or {}) do
    if not used[one] or not needsText then redis.call('HDEL', files, one) end
  end
  -- An older version removes a member but leaves its field here.
  for _, member in ipairs(is(reads, 'hash') and redis.call('HKEYS', reads) or {}) do
    if redis.call('HEXISTS', members, member) == 0 then redis.call('HDEL', reads, member) end
  end
  push(stream, key, 'members')
end

local declining = {}
found = all(declined)
for i = 1, #found, 2 do
  if not string.find(found[i + 1], '^%d[%d,]*$') then
    skip(declined, found[i])
  else
    declining[#declining + 1] = found[i]
    declining[#declining + 1] = found[i + 1]
  end
end
-- A key of another type cannot store the file, so the replica need not send it.
local hasOwn = (not hasPacked or redis.call('HEXISTS', packed, digest) == 1)
  and (not needsText or not hasFiles or redis.call('HEXISTS', files, digest) == 1)
return {
  whole(exactly), live, late, owners, whole(meta(key, 'head')), nextExpiry, newest, hasOwn and 1 or 0, declining,
  needsText and 1 or 0, odd,
}`)

/**
 * Stores the definitions of a file, and makes all replicas check which file counts. KEYS: meta, stream, packed, files. ARGV: digest, packed
 * definitions, and the text, or '' if no replica needs it.
 */
export const offerScript = script(`
-- A key that another program wrote as another type is left unchanged.
if is(KEYS[3], 'hash') then redis.call('HSET', KEYS[3], ARGV[1], ARGV[2]) end
if ARGV[3] ~= '' and is(KEYS[4], 'hash') then redis.call('HSET', KEYS[4], ARGV[1], ARGV[3]) end
push(KEYS[2], KEYS[1], 'members')
return 0`)
