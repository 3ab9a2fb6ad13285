import type { Keys } from '../../redis/keys.ts'
import { fieldOf } from '../../store/redis/entries.ts'
import type { StorePart, UnreadableEntries, UnreadableEntry } from '../../store/unreadable.ts'
import type { RedisConnector } from '../redis-connector.ts'
import type { SharedRegistry } from '../shared-registry.ts'

/** How many entries one round reads at most. */
const mostPerRound = 100

/** The parts of the store whose unreadable entries are checked again, and the parts that are read again after a repair. */
const parts = ['kept', 'registrations', 'health', 'stream'] as const satisfies StorePart[]
const partsToReread: readonly StorePart[] = ['kept', 'registrations']

/** The recheck of entries that could not be read. */
export type Recheck = {
  /** Checks some of the entries again. Resolves with true if one was repaired or removed and the store has to be read again. */
  recheckSome(): Promise<boolean>
}

/**
 * Creates the recheck. Porthole gets no notice when an operator repairs an entry of Redis by hand. So each round reads some of the unreadable entries
 * again, and forgets those that have changed. Without such entries it sends no requests.
 */
export function createRecheck({
  redisConnector,
  keys,
  unreadable,
  sharedRegistry,
}: {
  redisConnector: Pick<RedisConnector, 'send'>
  keys: Keys
  unreadable: UnreadableEntries
  sharedRegistry: Pick<SharedRegistry, 'textOf'>
}): Recheck {
  let round = 0

  /** Returns the probe of an entry. A registration that is noted only by its name is compared with its last known text. */
  function probeOf({ probe, registration }: UnreadableEntry): UnreadableEntry['probe'] {
    if (probe !== undefined || registration === undefined) return probe
    return fieldOf(keys.registrations, registration, sharedRegistry.textOf(registration) ?? undefined).probe
  }

  return {
    async recheckSome() {
      const all = parts.flatMap((part) => unreadable.entriesOf(part).map((entry) => ({ part, entry })))
      const from = all.length === 0 ? 0 : (round++ * mostPerRound) % all.length
      let isMended = false
      for (const { part, entry } of all.slice(from, from + mostPerRound)) {
        const probe = probeOf(entry)
        const answer = probe === undefined ? null : await redisConnector.send(probe.command)
        if (answer !== null && (!answer.ok || probe?.isSame(answer.value))) continue
        // If the entry still cannot be read, the next read of its part notes it again.
        if (entry.registration === undefined) unreadable.forget(part, entry.place)
        else unreadable.forgetRegistration(entry.registration)
        isMended ||= partsToReread.includes(part)
      }
      return isMended
    },
  }
}
