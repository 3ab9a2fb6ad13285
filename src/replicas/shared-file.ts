import { hash } from 'node:crypto'
import { z } from 'zod'
import { type PolicyDefaults, PolicySettings } from '../domain/policy.ts'
import { Quorum } from '../domain/quorum.ts'
import { describePolicy } from '../domain/registration.ts'
import { buildService, type Group, GroupName, type Service, ServiceName, ServiceSettings } from '../domain/service.ts'
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

/** What of it another replica has to be told. */
const WrittenFile = z.object({
  services: z.array(z.tuple([ServiceName, ServiceSettings])),
  groups: z.array(z.tuple([GroupName, Quorum])),
  defaults: PolicySettings,
})

/** Writes what a file defines. */
export function offerFile({ services, groups, defaults }: SharedFile): OfferedFile {
  const { handoverMs: _, ...settings } = defaults
  const text = JSON.stringify({
    services: services.map((service) => [service.name, defineService(service)]),
    groups: groups.map(({ name, quorum }) => [name, String(quorum)]),
    defaults: describePolicy(settings),
  })
  return { digest: hash('sha256', text), text }
}

/** Reads what another replica offers; a string says why this one cannot. `handoverMs` is this replica's own. */
export function readOfferedFile(text: string, handoverMs: number): SharedFile | string {
  const read = WrittenFile.safeParse(parseJson(text))
  if (!read.success) return read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  const { services, groups, defaults } = read.data
  return {
    services: services.map(([name, settings]) => buildService(name, settings, { handoverMs })),
    groups: groups.map(([name, quorum]) => ({ name, quorum })),
    defaults: { ...defaults, handoverMs },
  }
}
