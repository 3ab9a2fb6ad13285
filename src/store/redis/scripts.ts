import { script } from '../../redis/script.ts'

/** How long removals and ends of drains are remembered, in milliseconds. A replica that was away for longer may bring such a service back. */
const week = 7 * 86_400_000

const common = `
-- Returns the time of day in milliseconds: the caller's if one is given, otherwise that of Redis.
local function clock(given)
  return given ~= '' and tonumber(given) or micros() / 1000
end

-- Returns the next revision: larger than all before, and at least the milliseconds since the epoch.
local function revise(key, now)
  local revision = math.max(meta(key, 'revision') + 1, math.floor(now))
  redis.call('HSET', key, 'revision', whole(revision))
  return revision
end

-- Returns whether a condition holds for a registration of this revision (nil: there is none). ARGV[at] is '1' for If-None-Match: *, for which an
-- expired registration is absent. ARGV[at + 1] is '' for no If-Match, '*', or 'list', and the revisions follow.
local function holds(at, revision, isExpired)
  if ARGV[at] == '1' and revision and not isExpired then return false end
  local match = ARGV[at + 1]
  if match == '' then return true end
  if not revision then return false end
  if match == '*' then return true end
  for i = at + 2, #ARGV do
    if ARGV[i] == revision then return true end
  end
  return false
end

-- Returns the revision and the definition of a registration; nil if there is none. A registration that cannot be read has the revision
-- 'unreadable', which no condition contains.
local function registered(key, name)
  local value = redis.call('HGET', key, name)
  if not value then return nil end
  local revision, definition = string.match(value, '^(%d+) (.*)$')
  if not number(revision) then return 'unreadable', '' end
  return revision, definition
end

-- Returns whether a registration is marked as expired and was not registered again since.
local function isMarked(expiries, expired, name)
  local at = redis.call('HGET', expired, name)
  return at and at == redis.call('HGET', expiries, name)
end
`

/** Functions that add to the log of transitions and trim it. The scripts that publish outcomes use them too. */
export const transitionLog = `
local function completeAfter(key, id, at)
  if id <= meta(key, 'after_id') then return end
  redis.call('HSET', key, 'after_id', whole(id), 'after_at', string.format('%.17g', at))
end

-- Deletes the transition and all before it. The last transition of each service itself has a copy elsewhere. A member that is no transition
-- stays.
local function forget(transitions, key, newest)
  local odd = 0
  while true do
    local some = redis.call('ZRANGEBYSCORE', transitions, '-inf', whole(newest.id), 'LIMIT', odd, 1000)
    local old = {}
    for _, json in ipairs(some) do
      if string.find(json, '^{"id":%d') then old[#old + 1] = json else odd = odd + 1 end
    end
    if #old > 0 then redis.call('ZREM', transitions, unpack(old)) end
    if #some < 1000 then break end
  end
  redis.call('HSET', key, 'forgotten', whole(newest.id))
  completeAfter(key, newest.id, newest.at)
end

local function bound(transitions, key, most)
  if not is(transitions, 'zset') then return end
  local count = redis.call('ZCARD', transitions)
  if count <= most * 1.1 then return end
  local index = count - most - 1
  local some = redis.call('ZRANGE', transitions, index, index + 99, 'WITHSCORES')
  for i = 1, #some, 2 do
    local newest = decode(some[i], some[i + 1])
    if newest then return forget(transitions, key, newest) end
  end
end

-- Adds a transition. own is the service if the transition is the service's own, otherwise ''.
local function keep(transitions, last, key, id, own, to, json)
  if is(transitions, 'zset') then redis.call('ZADD', transitions, whole(id), json) end
  if id > meta(key, 'transition') then redis.call('HSET', key, 'transition', whole(id)) end
  if own == '' or not is(last, 'hash') then return end
  local newest = redis.call('HGET', last, own)
  if newest then
    newest = decode(newest)
    -- A transition that cannot be read stays as it is.
    if not newest or newest.id > id then return end
  end
  if to == 'unknown' then redis.call('HDEL', last, own) else redis.call('HSET', last, own, json) end
end
`

/**
 * KEYS meta registrations drained absences last expiries expired transitions. ARGV now. Returns the stored hashes as flat lists, without the
 * transitions; then the time of day in milliseconds; then a flat list of entries that count as absent. One kind of entry is a key of history
 * that holds another kind of value, with the right kind. The other is the key of expiries, with a field that holds no time. The script deletes
 * marks that do not hold any more. A replica of an older version, which does not know the marks, leaves them behind.
 */
export const loadScript = script(
  common,
  `
local problem = wrong('hash', KEYS[1], KEYS[2], KEYS[3], KEYS[6], KEYS[7])
if problem then return problem end
begin(KEYS[1], clock(ARGV[1]))
local marks, all = {}, redis.call('HGETALL', KEYS[7])
for i = 1, #all, 2 do
  if isMarked(KEYS[6], KEYS[7], all[i]) or not number(all[i + 1]) then
    marks[#marks + 1] = all[i]
    marks[#marks + 1] = all[i + 1]
  else
    redis.call('HDEL', KEYS[7], all[i])
  end
end
local odd = {}
local function skip(key, what)
  odd[#odd + 1] = key
  odd[#odd + 1] = what
end
local function known(kind, key)
  if is(key, kind) then return redis.call('HGETALL', key) end
  skip(key, kind)
  return {}
end
if not is(KEYS[8], 'zset') then skip(KEYS[8], 'zset') end
local expiries = redis.call('HGETALL', KEYS[6])
for i = 1, #expiries, 2 do
  if not number(expiries[i + 1]) then skip(KEYS[6], expiries[i]) end
end
return {
  redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3]),
  known('hash', KEYS[4]), known('hash', KEYS[5]), marks, whole(micros() / 1000), odd,
}`,
)

/**
 * KEYS meta stream registrations removed expiries expired. ARGV now name definition ttl condition. Returns change, revision, entry; or 'no' and
 * the revision. Only If-Match: * replaces a registration that cannot be read; for any other condition the revision is 'unreadable'.
 */
export const putScript = script(
  common,
  `
local key, stream, registrations, removed, expiries, expired = unpack(KEYS)
local now, name, definition, ttl = clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local problem = wrong('hash', registrations, expiries, expired) or wrong('stream', stream) or wrong('zset', removed)
if problem then return problem end
begin(key, now)
local revision, before = registered(registrations, name)
if revision == 'unreadable' and ARGV[6] ~= '*' then return { 'no', revision } end
if not holds(5, revision, isMarked(expiries, expired, name)) then return { 'no', revision or '' } end
local isNew = not revision or ARGV[5] == '1'
redis.call('HDEL', expired, name)
if ttl == '' then redis.call('HDEL', expiries, name) else redis.call('HSET', expiries, name, whole(now + ttl)) end
if not isNew and before == definition then
  local entry = ttl ~= '' and push(stream, key, 'renewed', 'name', name, 'revision', revision) or 0
  return { 'none', revision, entry }
end
local change = isNew and 'created' or 'replaced'
revision = whole(revise(key, now))
redis.call('HSET', registrations, name, revision .. ' ' .. definition)
redis.call('ZREM', removed, name)
return { change, revision, push(stream, key, 'put', 'name', name, 'revision', revision, 'definition', definition) }`,
)

/**
 * Marks a registration of this revision as expired from now on. KEYS meta stream registrations expiries expired. ARGV now name revision. Returns
 * 'yes' and the entry; or 'no' and the revision.
 */
export const expireScript = script(
  common,
  `
local key, stream, registrations, expiries, expired = unpack(KEYS)
local now, name, wanted = clock(ARGV[1]), ARGV[2], ARGV[3]
local problem = wrong('hash', registrations, expiries, expired) or wrong('stream', stream)
if problem then return problem end
local revision = registered(registrations, name)
if revision ~= wanted then return { 'no', revision or '' } end
-- Another replica may have registered it again, or it may be marked already.
local untilTime = number(redis.call('HGET', expiries, name))
if not untilTime or untilTime > now or isMarked(expiries, expired, name) then return { 'no', revision } end
local at = whole(math.floor(now))
redis.call('HSET', expiries, name, at)
redis.call('HSET', expired, name, at)
return { 'yes', push(stream, key, 'expired', 'name', name, 'revision', revision, 'at', at) }`,
)

/**
 * Deletes a registration. The drain of an expired registration stays. KEYS meta stream registrations removed expiries expired drained health.
 * ARGV now name expired condition. Returns 'yes' and the entry; or 'no' and the revision.
 */
export const removeScript = script(
  common,
  `
local key, stream, registrations, removed, expiries, marks, drained, health = unpack(KEYS)
local now, name, expired = clock(ARGV[1]), ARGV[2], ARGV[3]
local problem = wrong('hash', registrations, expiries, marks, drained) or wrong('stream', stream) or wrong('zset', removed)
if problem then return problem end
local revision = registered(registrations, name)
if revision == 'unreadable' and ARGV[5] ~= '*' then return { 'no', revision } end
if not revision or not holds(4, revision) then return { 'no', revision or '' } end
-- A client may have registered it again at another replica.
if expired ~= '' then
  local untilTime = number(redis.call('HGET', expiries, name))
  if not untilTime or untilTime > now then return { 'no', revision } end
end
revision = whole(revise(key, now))
redis.call('HDEL', registrations, name)
redis.call('HDEL', expiries, name)
redis.call('HDEL', marks, name)
if expired == '' and redis.call('HEXISTS', drained, name) == 1 then redis.call('HSET', drained, name, revision .. ' 0') end
redis.call('ZADD', removed, revision, name)
redis.call('DEL', health)
local drain = expired == '' and 'ended' or 'kept'
return { 'yes', push(stream, key, 'removed', 'name', name, 'revision', revision, 'expired', expired, 'drain', drain) }`,
)

/** KEYS meta stream drained. ARGV now name 1|0. Returns the entry. */
export const drainScript = script(
  common,
  `
local key, stream, drained = unpack(KEYS)
local now, name, wanted = clock(ARGV[1]), ARGV[2], ARGV[3]
local problem = wrong('hash', drained) or wrong('stream', stream)
if problem then return problem end
local before = string.match(redis.call('HGET', drained, name) or '0 0', '^%d+ (%d)$')
if before == wanted then return 0 end
local revision = whole(revise(key, now))
redis.call('HSET', drained, name, revision .. ' ' .. wanted)
return push(stream, key, 'drained', 'name', name, 'revision', revision, 'drained', wanted)`,
)

/**
 * KEYS meta transitions last. ARGV now most missing seeding, then id, at, own, to, json of each. With seeding 1 a transition may be older than
 * the stored ones.
 */
export const appendScript = script(
  common,
  transitionLog,
  `
local key, transitions, last = unpack(KEYS)
local problem = wrong('hash', last) or wrong('zset', transitions)
if problem then return problem end
begin(key, clock(ARGV[1]))
if ARGV[3] == '1' and ARGV[5] then completeAfter(key, tonumber(ARGV[5]) - 1, tonumber(ARGV[6])) end
local newest = meta(key, 'transition')
for i = 5, #ARGV, 5 do
  local id = tonumber(ARGV[i])
  local isNew = id > newest
  if ARGV[4] == '1' then isNew = redis.call('ZCOUNT', transitions, ARGV[i], ARGV[i]) == 0 end
  if isNew then keep(transitions, last, key, id, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) end
end
bound(transitions, key, tonumber(ARGV[2]))
return 0`,
)

/** Adds a gap. KEYS meta absences. ARGV now from to. */
export const gapScript = script(
  common,
  `
local problem = wrong('hash', KEYS[2])
if problem then return problem end
begin(KEYS[1], clock(ARGV[1]))
return redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])`,
)

/** Adds a gap and announces it to all replicas, which then read the log of transitions again. KEYS meta absences stream. ARGV from to. */
export const sharedGapScript = script(`
local problem = wrong('hash', KEYS[2]) or wrong('stream', KEYS[3])
if problem then return problem end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return push(KEYS[3], KEYS[1], 'log')`)

/**
 * Writes a heartbeat and trims the history. KEYS meta transitions absences removed drained. ARGV now oldest. Returns the heartbeat before this
 * one; nil if this is the first.
 */
export const heartbeatScript = script(
  common,
  transitionLog,
  `
local key, transitions, absences, removed, drained = unpack(KEYS)
local now, oldest = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = redis.call('HGET', key, 'alive')
redis.call('HSET', key, 'alive', ARGV[1])

local function allOlder()
  while true do
    local some = redis.call('ZRANGE', transitions, 0, 99, 'WITHSCORES')
    local old
    local isYoung = false
    for i = 1, #some, 2 do
      local one = decode(some[i], some[i + 1])
      isYoung = one ~= nil and one.at >= oldest
      if isYoung then break end
      old = one or old
    end
    if not old then return end
    forget(transitions, key, old)
    if isYoung then return end
  end
end
if is(transitions, 'zset') then allOlder() end

local past = is(absences, 'hash') and redis.call('HGETALL', absences) or {}
for i = 1, #past, 2 do
  local from, to = number(past[i]), number(past[i + 1])
  if from and to and to < oldest then
    redis.call('HDEL', absences, past[i])
    if to > meta(key, 'after_at') then redis.call('HSET', key, 'after_at', past[i + 1]) end
  end
end

if is(removed, 'zset') then redis.call('ZREMRANGEBYSCORE', removed, '0', whole(now - ${week})) end
local all = is(drained, 'hash') and redis.call('HGETALL', drained) or {}
for i = 1, #all, 2 do
  local revision, flag = string.match(all[i + 1], '^(%d+) (%d)$')
  if flag == '0' and tonumber(revision) < now - ${week} then redis.call('HDEL', drained, all[i]) end
end
return number(before) and before`,
)

/**
 * Merges the registrations and drains of a replica into the stored ones: for each name the newest revision counts. KEYS meta stream
 * registrations removed expiries drained expired health…. ARGV now, then kind, name, revision, value and ttl of each entry. For kind 'put' the
 * value is the definition, and the ttl is a time, '' or 'expired'. The other kinds are 'removed', and 'drained' with the value 1 or 0.
 */
export const mergeScript = script(
  common,
  `
local key, stream, registrations, removed, expiries, drained, expired = unpack(KEYS)
local now = clock(ARGV[1])
local problem = wrong('hash', registrations, expiries, drained, expired) or wrong('stream', stream) or wrong('zset', removed)
if problem then return problem end
begin(key, now)
local i, n = 2, 0
while i <= #ARGV do
  local kind, name, revision, value, ttl = unpack(ARGV, i, i + 4)
  i, n = i + 5, n + 1
  local known
  -- An entry that cannot be read stays as it is, regardless of the replica's entry.
  if kind == 'drained' then
    known = number(string.match(redis.call('HGET', drained, name) or '0 0', '^(%d+) %d$')) or math.huge
  else
    known = math.max(number((registered(registrations, name)) or '0') or math.huge, tonumber(redis.call('ZSCORE', removed, name) or '0'))
  end
  if tonumber(revision) > known then
    if meta(key, 'revision') < tonumber(revision) then redis.call('HSET', key, 'revision', revision) end
    if kind == 'put' then
      redis.call('HSET', registrations, name, revision .. ' ' .. value)
      redis.call('ZREM', removed, name)
      redis.call('HDEL', expiries, name)
      redis.call('HDEL', expired, name)
      push(stream, key, 'put', 'name', name, 'revision', revision, 'definition', value)
      if ttl == 'expired' then
        local at = whole(math.floor(now))
        redis.call('HSET', expiries, name, at)
        redis.call('HSET', expired, name, at)
        push(stream, key, 'expired', 'name', name, 'revision', revision, 'at', at)
      elseif ttl ~= '' then
        redis.call('HSET', expiries, name, whole(now + ttl))
      end
    elseif kind == 'removed' then
      redis.call('HDEL', registrations, name)
      redis.call('HDEL', expiries, name)
      redis.call('HDEL', expired, name)
      redis.call('ZADD', removed, revision, name)
      redis.call('DEL', KEYS[7 + n])
      push(stream, key, 'removed', 'name', name, 'revision', revision, 'expired', '')
    else
      redis.call('HSET', drained, name, revision .. ' ' .. value)
      push(stream, key, 'drained', 'name', name, 'revision', revision, 'drained', value)
    end
  end
end
return 0`,
)
