import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { createInterning } from '../domain/interning.ts'
import { describePolicy, type PolicyDefaults, PolicySettings } from '../domain/policy.ts'
import { Quorum } from '../domain/quorum.ts'
import { decideService, type Group, GroupName, type Service, ServiceName, ServiceSettings } from '../domain/service.ts'
import { defineService } from '../domain/service-definition.ts'
import { parseJson } from './parse.ts'

/** What a configuration file defines for all replicas. */
export type SharedFile = {
  readonly services: readonly Service[]
  readonly groups: readonly Group[]
  /** For what registered services leave out. */
  readonly defaults: PolicyDefaults
}

/** A file as it is offered to the other replicas. Two files that define the same are the same. */
export type OfferedFile = { readonly digest: string; readonly text: string }

/** What of it another replica has to be told: in the first line what is of no service, and then each in a line of its own. */
const Head = z.strictObject({ groups: z.array(z.tuple([GroupName, Quorum])), defaults: PolicySettings })
const Line = z.tuple([ServiceName, ServiceSettings])

/** How much is written or read in one turn of the event loop, in characters: some 3 ms of work, however many targets a service has. */
const lengthPerTurn = 20_000

function* writeLines({ services, groups, defaults }: SharedFile): Generator<string> {
  const { handoverMs: _, ...settings } = defaults
  yield JSON.stringify({
    groups: groups.map(({ name, quorum }) => [name, String(quorum)]),
    defaults: describePolicy(settings),
  })
  for (const service of services) yield `\n${JSON.stringify([service.name, defineService(service)])}`
}

/** Writes what a file defines, and lets others go on in between. */
export async function offerFile(file: SharedFile): Promise<OfferedFile> {
  const hash = createHash('sha256')
  const lines: string[] = []
  let written = 0
  for (const line of writeLines(file)) {
    if (written >= lengthPerTurn) {
      await setImmediate()
      written = 0
    }
    hash.update(line)
    lines.push(line)
    written += line.length
  }
  return { digest: hash.digest('hex'), text: lines.join('') }
}

/**
 * Reads what another replica offers, and lets others go on in between; a string says why this one cannot. `handoverMs` is this replica's
 * own. Services that are `known` and defined the same are taken from there.
 */
export async function readOfferedFile(
  text: string,
  handoverMs: number,
  known?: ReadonlyMap<string, Service>,
): Promise<SharedFile | string> {
  const intern = createInterning(known)
  const services: Service[] = []
  let end = endOfLine(text, 0)
  const head = Head.safeParse(parseJson(text.slice(0, end)))
  if (!head.success) return explain(head.error)
  let turnBegan = end
  while (end < text.length) {
    if (end - turnBegan >= lengthPerTurn) {
      await setImmediate()
      turnBegan = end
    }
    const begin = end + 1
    end = endOfLine(text, begin)
    const line = Line.safeParse(parseJson(text.slice(begin, end)))
    if (!line.success) return explain(line.error, ['services', services.length])
    services.push(intern(decideService(...line.data, { handoverMs })))
  }
  const { groups, defaults } = head.data
  return {
    services,
    groups: groups.map(([name, quorum]) => ({ name, quorum })),
    defaults: { ...defaults, handoverMs },
  }
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}

function explain({ issues }: z.ZodError, at: readonly PropertyKey[] = []): string {
  return issues.map(({ path, message }) => `${[...at, ...path].join('.')}: ${message}`).join('; ')
}
