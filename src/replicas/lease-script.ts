import { script } from '../redis/script.ts'

/**
 * Membership, renewal, release and acquisition of all shards, in one round trip, on Redis's clock. KEYS meta stream members leases offers
 * files declined packed reads. ARGV id attempt leaseMs isMember (1|0) shards ("1,2,3") loadedAt digest declined ("4,5"), and the form of
 * packed files that the replica reads.
 *
 * A lease is "token owner until"; its token stays when nobody owns it. An owner is "-" then. A member is "until attempt", and "until attempt -"
 * once it is none, for as long as a renewal of it may be under way. Returns now
 * in microseconds; the members; those of them that have not renewed for half a lease; shard, owner and token of each that is owned; the newest entry; how long until the first other member is given up, or -1;
 * the digest of the file loaded last; whether what this replica's file defines is there, in each form that is needed (1|0); a flat list of replicas
 * and the shards they decline; and whether a member reads files as text alone (1|0). Nothing when the renewal came after a later one.
 */
export const renewScript = script(`
local key, stream, members, leases, offers, files, declined, packed, reads = unpack(KEYS)
local id, attempt, lease, isMember = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local loadedAt, digest, declines, form = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local exactly = micros()
local now = math.floor(exactly / 1000)
local isNews, nextExpiry = false, -1

local live, late, wasMember = {}, {}, false
local mine = redis.call('HGET', members, id)
if mine and attempt <= tonumber(string.match(mine, '^%d+ (%d+)')) then return {} end
local all = redis.call('HGETALL', members)
for i = 1, #all, 2 do
  local member = all[i]
  local untilTime, gone = string.match(all[i + 1], '^(%d+) %d+(.*)$')
  untilTime = tonumber(untilTime)
  if member == id then
    wasMember = gone == ''
  elseif untilTime <= now then
    redis.call('HDEL', members, member)
    redis.call('HDEL', offers, member)
    redis.call('HDEL', declined, member)
    redis.call('HDEL', reads, member)
    if gone == '' then isNews = true end
  elseif gone == '' then
    live[#live + 1] = member
    if untilTime - now < lease / 2 then late[#late + 1] = member end
    if nextExpiry < 0 or untilTime - now < nextExpiry then nextExpiry = untilTime - now end
  end
end
if isMember then
  redis.call('HSET', members, id, whole(now + lease) .. ' ' .. whole(attempt))
  redis.call('HSET', offers, id, loadedAt .. ' ' .. digest)
  live[#live + 1] = id
elseif wasMember then
  redis.call('HSET', members, id, whole(now + lease) .. ' ' .. whole(attempt) .. ' -')
  redis.call('HDEL', offers, id)
end
if isMember then redis.call('HSET', reads, id, form) else redis.call('HDEL', reads, id) end
-- A member of a version that reads the text alone says nothing of that.
local needsText = false
for _, member in ipairs(live) do
  if redis.call('HGET', reads, member) ~= form then needsText = true end
end
if not isMember then declines = '' end
if declines ~= (redis.call('HGET', declined, id) or '') then
  if declines == '' then redis.call('HDEL', declined, id) else redis.call('HSET', declined, id, declines) end
  isNews = true
end
if isMember ~= wasMember then isNews = true end

local wanted = {}
for shard in string.gmatch(ARGV[5], '%d+') do wanted[shard] = true end
local known, owners, changes = {}, {}, {}
all = redis.call('HGETALL', leases)
for i = 1, #all, 2 do
  local shard = all[i]
  local token, owner, untilTime = string.match(all[i + 1], '^(%d+) (%S+) (%d+)$')
  known[shard] = tonumber(token)
  if owner == id and not wanted[shard] then
    changes[#changes + 1] = shard
    changes[#changes + 1] = token .. ' - 0'
    isNews = true
  elseif owner ~= '-' and owner ~= id and tonumber(untilTime) > now then
    wanted[shard] = nil
    owners[#owners + 1] = shard
    owners[#owners + 1] = owner
    owners[#owners + 1] = token
  elseif owner == id then
    wanted[shard] = token
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

-- The file loaded last counts, of those that live replicas have; the others' are forgotten.
local newestAt, newest, used = 0, '', {}
all = redis.call('HGETALL', offers)
for i = 1, #all, 2 do
  local at, one = string.match(all[i + 1], '^(%S+) (%S+)$')
  used[one] = true
  at = tonumber(at)
  if at > newestAt or (at == newestAt and one > newest) then newestAt, newest = at, one end
end
if isNews then
  for _, one in ipairs(redis.call('HKEYS', packed)) do
    if not used[one] then redis.call('HDEL', packed, one) end
  end
  for _, one in ipairs(redis.call('HKEYS', files)) do
    if not used[one] or not needsText then redis.call('HDEL', files, one) end
  end
  -- An older version gives a member up without this.
  for _, member in ipairs(redis.call('HKEYS', reads)) do
    if redis.call('HEXISTS', members, member) == 0 then redis.call('HDEL', reads, member) end
  end
  push(stream, key, 'members')
end
local hasOwn = redis.call('HEXISTS', packed, digest) == 1 and not (needsText and redis.call('HEXISTS', files, digest) == 0)
return {
  whole(exactly), live, late, owners, whole(meta(key, 'head')), nextExpiry, newest, hasOwn and 1 or 0,
  redis.call('HGETALL', declined), needsText and 1 or 0,
}`)

/**
 * Keeps what a file defines, and has all replicas look which counts. KEYS meta stream packed files. ARGV digest, packed, and the text, or '' where
 * no replica needs it.
 */
export const offerScript = script(`
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[4], ARGV[1], ARGV[3]) end
push(KEYS[2], KEYS[1], 'members')
return 0`)
