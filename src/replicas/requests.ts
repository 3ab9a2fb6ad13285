import type { Reply } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { Retention } from '../store/store.ts'
import type { NewestFile } from './file-offers.ts'
import { publishScript, readHealthScript } from './health-script.ts'
import { renewScript } from './lease-script.ts'
import { type Grant, leaseMs, type Renewal, readGrant } from './leases.ts'
import type { Link } from './link.ts'
import { packedForm } from './packed-file.ts'
import { type Published, readKeptHealth, readPublished, type Update, writeUpdate } from './publication.ts'
import type { KeptHealth } from './recall.ts'
import type { Declined } from './shards.ts'
import type { SharedClock } from './shared-clock.ts'

/** What a replica asks of the store again and again. Each answers null when nothing came back. */
export type Requests = {
  renew(
    renewal: Renewal,
    file: { readonly digest: string; readonly loadedAt: number },
  ): Promise<{ readonly grant: Grant; readonly file: NewestFile } | null>
  publish(updates: readonly Update[]): Promise<Published | null>
  readHealth(services: readonly string[]): Promise<KeptHealth[] | null>
}

/** Asks by way of a link, and sets the clock by the answers. */
export function createRequests({
  id,
  link,
  keys,
  clock,
  retention,
}: {
  id: string
  link: Pick<Link, 'run'>
  keys: Keys
  clock: SharedClock
  retention: Retention
}): Requests {
  const { meta, stream, members, leases, offers, files, declined: declinedKey, packed, reads, transitions, last } = keys

  return {
    async renew({ attempt, isMember, shards, declined }, { digest, loadedAt }) {
      const sentAt = clock.now()
      const input = [
        id,
        attempt,
        leaseMs,
        isMember ? 1 : 0,
        shards.join(),
        loadedAt,
        digest,
        declined.join(),
        packedForm,
      ]
      const on = [meta, stream, members, leases, offers, files, declinedKey, packed, reads]
      const answer = await link.run(renewScript, on, input)
      if (!answer.ok) return null
      const [micros, live, late, owned, entry, nextExpiry, newest, hasOwn, declining, needsText] =
        answer.value as readonly Reply[]
      // It came after a later one.
      if (micros === undefined) return null
      clock.align(sentAt, clock.now(), Number(micros) / 1000)
      const flat = owned as readonly string[]
      const owners = Array.from(
        { length: flat.length / 3 },
        (_, i) => [Number(flat[3 * i]), flat[3 * i + 1] as string, Number(flat[3 * i + 2])] as const,
      )
      const nextExpiryMs = Number(nextExpiry) < 0 ? null : Number(nextExpiry)
      return {
        grant: readGrant(
          id,
          live as readonly string[],
          owners,
          Number(entry),
          nextExpiryMs,
          late as readonly string[],
          readDeclined(declining as readonly string[]),
        ),
        file: { digest: String(newest), hasOwn: hasOwn === 1, needsText: needsText === 1 },
      }
    },
    async publish(updates) {
      const on = [meta, stream, leases, transitions, last, ...updates.map(({ service }) => keys.health(service))]
      const input = [id, retention.maxCount, ...updates.flatMap((update) => writeUpdate(update, clock.toEpoch))]
      const answer = await link.run(publishScript, on, input)
      return answer.ok ? readPublished(answer.value) : null
    },
    async readHealth(services) {
      const answer = await link.run(readHealthScript, services.map(keys.health), [])
      return answer.ok ? (answer.value as readonly Reply[]).map(readKeptHealth) : null
    },
  }
}

/** Reads a flat list of replicas and shards ("4,5"). */
function readDeclined(flat: readonly string[]): Declined {
  const declined = new Map<string, ReadonlySet<number>>()
  for (let i = 0; i < flat.length; i += 2) {
    declined.set(flat[i] as string, new Set((flat[i + 1] as string).split(',').map(Number)))
  }
  return declined
}
