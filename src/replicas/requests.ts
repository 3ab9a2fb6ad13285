import { z } from 'zod'
import type { Reply } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import { keyOf } from '../store/redis/entries.ts'
import type { Retention } from '../store/store.ts'
import { createUnreadableEntries, placeIn, type UnreadableEntries, type UnreadableEntry } from '../store/unreadable.ts'
import type { NewestFile } from './config/configuration-offers.ts'
import { packedForm } from './config/packed-file.ts'
import { renewScript } from './lease/lease-script.ts'
import { type Grant, type Renewal, readGrant } from './lease/leases.ts'
import type { Declined } from './lease/shards.ts'
import { leaseDurationMs } from './lease/times.ts'
import type { RedisConnector } from './redis-connector.ts'
import { publishScript, readHealthScript } from './replication/health-script.ts'
import {
  type Published,
  readPublished,
  readStoredHealth,
  type StoredHealth,
  type Update,
  writeUpdate,
} from './replication/publish-protocol.ts'
import type { SharedClock } from './shared-clock.ts'

/** The recurring requests of a replica to the store. Each resolves with null if no answer came. */
export type Requests = {
  renew(
    renewal: Renewal,
    file: { readonly digest: string; readonly loadedAt: number },
  ): Promise<{ readonly grant: Grant; readonly file: NewestFile } | null>
  publish(updates: readonly Update[]): Promise<Published | null>
  readHealth(services: readonly string[]): Promise<StoredHealth[] | null>
}

/** Creates the requests on a connector. Their answers align the clock. */
export function createRequests({
  id,
  redisConnector,
  keys,
  clock,
  retention,
  unreadable = createUnreadableEntries(),
}: {
  id: string
  redisConnector: Pick<RedisConnector, 'run'>
  keys: Keys
  clock: SharedClock
  retention: Retention
  /** Receives the entries that cannot be read. */
  unreadable?: UnreadableEntries
}): Requests {
  const { recordEntry: onUnreadable } = unreadable
  const reportUnreadableLeases = (entries: readonly UnreadableEntry[]) => unreadable.replace('leases', entries)
  const { meta, stream, members, leases, offers, files, declined: declinedKey, packed, reads, transitions, last } = keys

  return {
    async renew({ attempt, isMember, shards, declined }, { digest, loadedAt }) {
      const sentAt = clock.now()
      const input = [
        id,
        attempt,
        leaseDurationMs,
        isMember ? 1 : 0,
        shards.join(),
        loadedAt,
        digest,
        declined.join(),
        packedForm,
      ]
      const on = [meta, stream, members, leases, offers, files, declinedKey, packed, reads]
      const answer = await redisConnector.run(renewScript, on, input)
      if (!answer.ok) return null
      // The renewal arrived after a later one.
      if (Array.isArray(answer.value) && answer.value.length === 0) return null
      const [micros, live, late, owned, entry, nextExpiry, newest, hasOwn, declining, needsText, odd] =
        RenewReply.parse(answer.value)
      reportUnreadableLeases(
        odd.flatMap((key, i) => (i % 2 === 0 ? [describeUnreadableLease(key, odd[i + 1] ?? '')] : [])),
      )
      clock.align(sentAt, clock.now(), Number(micros) / 1000)
      const owners = Array.from(
        { length: Math.floor(owned.length / 3) },
        (_, i) => [Number(owned[3 * i]), owned[3 * i + 1] as string, Number(owned[3 * i + 2])] as const,
      )
      const nextExpiryMs = Number(nextExpiry) < 0 ? null : Number(nextExpiry)
      return {
        grant: readGrant(id, live, owners, Number(entry), nextExpiryMs, late, readDeclined(declining)),
        file: { digest: newest, hasOwn: hasOwn === 1, needsText: needsText === 1 },
      }
    },
    async publish(updates) {
      const on = [meta, stream, leases, transitions, last, ...updates.map(({ service }) => keys.health(service))]
      const input = [id, retention.maxCount, ...updates.flatMap((update) => writeUpdate(update, clock.toEpoch))]
      const answer = await redisConnector.run(publishScript, on, input)
      return answer.ok ? readPublished(answer.value) : null
    },
    async readHealth(services) {
      const answer = await redisConnector.run(readHealthScript, [meta, ...services.map(keys.health)], [])
      if (!answer.ok) return null
      const [newest, ...found] = answer.value as readonly Reply[]
      return found.map((reply, at) => {
        const kept = readStoredHealth(reply, Number(newest))
        if (typeof kept !== 'string') return kept
        onUnreadable('health', keyOf(keys.health(services[at] ?? ''), 'hash'))
        return new Map()
      })
    },
  }
}

/** The answer of the lease script, in the order in which its comment lists the elements. */
const texts = z.array(z.string())
const RenewReply = z.tuple([
  z.string(),
  texts,
  texts,
  texts,
  z.string(),
  z.int(),
  z.string(),
  z.int(),
  texts,
  z.int(),
  texts,
])

/** Describes a key and a field of leases, members or files that the script cannot read. */
function describeUnreadableLease(key: string, field: string): UnreadableEntry {
  if (field === '') return { place: placeIn(key), why: 'the key holds a value of another type' }
  return { place: placeIn(key, field), why: 'no replica writes such a value, so it counts as absent' }
}

/** Reads a flat list of replicas and shards ("4,5"). */
function readDeclined(flat: readonly string[]): Declined {
  const declined = new Map<string, ReadonlySet<number>>()
  for (let i = 0; i < flat.length; i += 2) {
    declined.set(flat[i] as string, new Set((flat[i + 1] as string).split(',').map(Number)))
  }
  return declined
}
