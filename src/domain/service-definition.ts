import { z } from 'zod'
import { formatDuration } from './duration.ts'
import { Close } from './policy.ts'
import { Resolve, type Service } from './service.ts'

const duration = (description: string) => z.string().meta({ description, examples: ['10s'] })
const count = z.int().positive()

/** A service with every field decided, written as in the file: what the file and the API take, they are given back. */
export const ServiceDefinition = z
  .object({
    targets: z.array(z.string().meta({ description: '`host:port` as configured.' })),
    quorum: z.string().meta({ description: '`all`, `any`, a count, or a share such as `50%`.' }),
    groups: z.array(z.string()),
    resolve: Resolve.meta({
      description: 'Which addresses of a name are dialled: the first, or each as a member of its own.',
    }),
    interval: duration('How often each target is checked; `off`: only when asked.'),
    timeout: duration('How long a check may take, name look-up included.'),
    rise: count.meta({ description: 'How many outcomes in a row turn a target up.' }),
    fall: count.meta({ description: 'How many outcomes in a row turn a target down.' }),
    maxAge: duration('On demand: how long the last outcome is good enough.'),
    minAge: duration('A target is not dialled again within this time, however often it is asked for.'),
    close: Close.meta({ description: 'How a check ends its connection.' }),
    fastInterval: duration(
      'While a streak against the status is building. Absent where the service is only checked when asked and does not say.',
    ).optional(),
    downInterval: duration(
      'While a target is settled down. Absent where the service is only checked when asked and does not say.',
    ).optional(),
    ttl: duration(
      'Over HTTP: how long it stays registered unless it is registered again. Absent: for good.',
    ).optional(),
  })
  .meta({ id: 'ServiceDefinition', description: 'How a service is defined, every default filled in.' })
export type ServiceDefinition = z.infer<typeof ServiceDefinition>

/** Writes a service's definition. Reading it back by `ServiceSettings` and `buildService` makes the same service, without any defaults. `ttlMs` is a registration's. */
export function defineService(
  { targets, quorum, groups, resolve, policy }: Service,
  ttlMs?: number,
): ServiceDefinition {
  const { intervalMs, fastIntervalMs, downIntervalMs } = policy
  return {
    targets: targets.map(({ name }) => name),
    quorum: String(quorum),
    groups: [...groups],
    resolve,
    interval: intervalMs === null ? 'off' : formatDuration(intervalMs),
    timeout: formatDuration(policy.timeoutMs),
    rise: policy.rise,
    fall: policy.fall,
    maxAge: formatDuration(policy.maxAgeMs),
    minAge: formatDuration(policy.minAgeMs),
    close: policy.close,
    // On demand nobody has to write them; then they are 0, which is no interval.
    ...(fastIntervalMs === 0 ? {} : { fastInterval: formatDuration(fastIntervalMs) }),
    ...(downIntervalMs === 0 ? {} : { downInterval: formatDuration(downIntervalMs) }),
    ...(ttlMs === undefined ? {} : { ttl: formatDuration(ttlMs) }),
  }
}
