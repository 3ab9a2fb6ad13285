import type { Keys } from '../redis/keys.ts'
import { fieldOf } from '../store/redis-kept.ts'
import type { StorePart, UnreadableEntries, UnreadableEntry } from '../store/unreadable.ts'
import type { Link } from './link.ts'
import type { SharedRegistry } from './shared-registry.ts'

/** How many entries are looked at in one round. */
const mostPerRound = 100

/** The parts of which an entry stays noted until it is looked at again, and those that are read anew once one was mended. */
const parts = ['kept', 'registrations', 'health', 'stream'] as const satisfies StorePart[]
const readAnew: readonly StorePart[] = ['kept', 'registrations']

/** Looks again at entries that could not be read. */
export type Recheck = {
  /** Looks at some of them. Resolves with true where something was mended or removed that is to be read anew. */
  look(): Promise<boolean>
}

/**
 * Somebody who mends an entry of Redis by hand tells nobody. So the entries that could not be read are read again, some in each round, and
 * those that are otherwise than before are forgotten. While there is none this asks nothing.
 */
export function createRecheck({
  link,
  keys,
  unreadable,
  sharedRegistry,
}: {
  link: Pick<Link, 'send'>
  keys: Keys
  unreadable: UnreadableEntries
  sharedRegistry: Pick<SharedRegistry, 'textOf'>
}): Recheck {
  let round = 0

  /** What was noted of a registration by its name alone is looked up by the text that it had. */
  function probeOf({ probe, registration }: UnreadableEntry): UnreadableEntry['probe'] {
    if (probe !== undefined || registration === undefined) return probe
    return fieldOf(keys.registrations, registration, sharedRegistry.textOf(registration) ?? undefined).probe
  }

  return {
    async look() {
      const all = parts.flatMap((part) => unreadable.entriesOf(part).map((entry) => ({ part, entry })))
      const from = all.length === 0 ? 0 : (round++ * mostPerRound) % all.length
      let isMended = false
      for (const { part, entry } of all.slice(from, from + mostPerRound)) {
        const probe = probeOf(entry)
        const answer = probe === undefined ? null : await link.send(probe.command)
        if (answer !== null && (!answer.ok || probe?.isSame(answer.value))) continue
        // If it still cannot be read, it is noted again with what is read anew.
        if (entry.registration === undefined) unreadable.forget(part, entry.place)
        else unreadable.forgetRegistration(entry.registration)
        isMended ||= readAnew.includes(part)
      }
      return isMended
    },
  }
}
