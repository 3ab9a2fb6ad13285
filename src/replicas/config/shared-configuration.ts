import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { type ForeignWord, foreignWordsOf, readForeignSettings } from '../../domain/service/foreign-settings.ts'
import { createInterning } from '../../domain/service/interning.ts'
import type { PolicyDefaults } from '../../domain/service/policy.ts'
import { describePolicy, PolicySettings } from '../../domain/service/policy-settings.ts'
import { Quorum } from '../../domain/service/quorum.ts'
import {
  decideService,
  type Group,
  GroupName,
  type Service,
  ServiceName,
  ServiceSettings,
} from '../../domain/service/service.ts'
import { defineService } from '../../domain/service/service-definition.ts'
import { quote } from '../../domain/values/quote.ts'
import { parseJson } from '../parse-json.ts'

/** The definitions of a configuration file, which all replicas share. */
export type SharedConfiguration = {
  readonly services: readonly Service[]
  readonly groups: readonly Group[]
  /** The defaults for settings that registered services leave out. */
  readonly defaults: PolicyDefaults
}

/** A file in the form in which a replica offers it to the others. Files with equal definitions have equal digests. */
export type OfferedConfiguration = { readonly digest: string; readonly text: string }

/**
 * The format version of an offered file. The first line has the settings that belong to no service, and each line after it has one service. A newer
 * version may add settings, as `readForeignSettings` says. A change that cannot be read that way needs another number.
 */
const format = 1
const Head = z.object({
  format: z
    .literal(format, {
      error: ({ input }) => `it has format ${quote(input)}, and this version reads ${format}`,
    })
    .default(format),
  groups: z.array(z.tuple([GroupName, Quorum])),
  defaults: z.unknown(),
})
const Line = z.tuple([ServiceName, z.unknown()])

/** How many characters one turn of the event loop writes or reads: about 3 ms of work, however many targets a service has. */
const lengthPerTurn = 20_000

function* writeLines({ services, groups, defaults }: SharedConfiguration): Generator<string> {
  const { handoverMs: _, unread: __, ...settings } = defaults
  yield JSON.stringify({
    format,
    groups: groups.map(({ name, quorum }) => [name, String(quorum)]),
    defaults: describePolicy(settings),
  })
  for (const service of services) yield `\n${JSON.stringify([service.name, defineService(service)])}`
}

/** Writes the definitions of a file. Yields to the event loop in between. */
export async function offerConfiguration(file: SharedConfiguration): Promise<OfferedConfiguration> {
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
 * Reads the definitions that another replica offers. Yields to the event loop in between. Returns a sentence if this replica cannot read them.
 * `handoverMs` is this replica's own. A service that equals one of `known` is taken from there. `onForeign` is called with each setting that this
 * version does not know. A service is left out if not even its targets can be read.
 */
export async function readOfferedConfiguration(
  text: string,
  handoverMs: number,
  known?: ReadonlyMap<string, Service>,
  onForeign: (word: ForeignWord) => void = () => {},
): Promise<SharedConfiguration | string> {
  const intern = createInterning(known)
  const services: Service[] = []
  let end = endOfLine(text, 0)
  const head = Head.safeParse(parseJson(text.slice(0, end)))
  if (!head.success) return explain(head.error)
  const defaults = readForeignSettings(PolicySettings, head.data.defaults)
  if (typeof defaults === 'string') return `defaults: ${defaults}`
  foreignWordsOf(defaults, 'defaults').forEach(onForeign)
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
    const [name, written] = line.data
    const where = `the service ${quote(name)}`
    const read = readForeignSettings(ServiceSettings, written)
    if (typeof read === 'string') {
      onForeign({ kind: 'unread setting', word: `targets (${read})`, where })
      continue
    }
    foreignWordsOf(read, where).forEach(onForeign)
    services.push(intern(decideService(name, read.settings, { handoverMs }, 'file', read.unread)))
  }
  return {
    services,
    groups: head.data.groups.map(([name, quorum]) => ({ name, quorum })),
    defaults: { ...defaults.settings, handoverMs, ...(defaults.unread.length > 0 && { unread: defaults.unread }) },
  }
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}

function explain({ issues }: z.ZodError, at: readonly PropertyKey[] = []): string {
  return issues.map(({ path, message }) => `${[...at, ...path].join('.')}: ${message}`).join('; ')
}
