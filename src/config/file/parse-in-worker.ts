import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { createInterning } from '../../domain/service/interning.ts'
import { partsOf, type Service, type ServiceParts } from '../../domain/service/service.ts'
import { type ConfigSources, deepFreeze, parseConfig, type ReadConfig } from '../config.ts'
import type { Problem } from '../problem.ts'
import type { WorkerData } from './parse-worker.ts'

/**
 * The messages of the thread (`Message` in parse-worker.ts). The schemas check the names and the kinds of values. The rest was made by the same
 * version of the code from a checked file.
 */
const Message = z.union([
  z.strictObject({ services: z.array(z.custom<ServiceParts>((part) => NamedPart.safeParse(part).success)) }),
  z.strictObject({ problems: z.array(z.looseObject({ place: z.string(), path: z.string(), message: z.string() })) }),
  z.strictObject({ read: z.custom<ReadConfig>((read) => Read.safeParse(read).success) }),
])
const NamedPart = z.object({ name: z.string(), targets: z.array(z.object({ name: z.string() })) })
const Read = z.union([
  z.object({ ok: z.literal(true), config: z.object({}) }),
  z.object({ ok: z.literal(false), problems: z.array(z.unknown()) }),
])

/** The most bytes that are parsed without a thread: that much YAML takes about 15 ms. */
const mostInPlace = 16_000

/** The program of the thread and its limits of memory. */
export type ParseThread = {
  readonly program: URL
  readonly resourceLimits: { readonly maxYoungGenerationSizeMb?: number; readonly maxOldGenerationSizeMb?: number }
}
const parseThread: ParseThread = {
  program: new URL('./parse-worker.ts', import.meta.url),
  // More memory would not make it faster. Without a limit V8 uses its share of the machine's memory before it collects garbage.
  resourceLimits: { maxYoungGenerationSizeMb: 48 },
}

/**
 * Parses a file together with the other sources, without blocking the event loop. A file of more than 16,000 bytes is parsed in a thread. The
 * thread takes over the bytes, and its end frees the memory of parsing. A service that is in `known` with the same definition is reused.
 */
export async function parseInWorker(
  { name, bytes }: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> },
  { targets, env }: ConfigSources,
  known: ReadonlyMap<string, Service> = new Map(),
  thread: ParseThread = parseThread,
): Promise<ReadConfig> {
  const intern = createInterning(known)
  if (bytes.length <= mostInPlace) {
    const read = parseConfig({ file: { name, text: new TextDecoder().decode(bytes) }, targets, env })
    return read.ok
      ? complete(
          read,
          read.config.services.map((service) => intern(partsOf(service))),
          read.advice,
        )
      : read
  }
  try {
    return await parseInThread({ name, bytes, targets, env: { ...env } }, intern, thread)
  } catch (error) {
    return { ok: false, ...whyNoThread(name, error) }
  }
}

function parseInThread(
  data: WorkerData & { readonly bytes: Uint8Array<ArrayBuffer> },
  intern: (service: ServiceParts) => Service,
  { program, resourceLimits }: ParseThread,
): Promise<ReadConfig> {
  const { promise, resolve, reject } = Promise.withResolvers<ReadConfig>()
  const services: Service[] = []
  const problems: Problem[] = []
  let read: ReadConfig | null = null
  let failure: unknown = null
  const worker = new Worker(program, { workerData: data, transferList: [data.bytes.buffer], resourceLimits })
  worker.on('message', (written: unknown) => {
    const { success, data: message } = Message.safeParse(written)
    if (!success) {
      failure ??= new Error('the thread that parses the configuration sent an invalid message')
      void worker.terminate()
      return
    }
    if ('services' in message) for (const service of message.services) services.push(intern(service))
    else if ('problems' in message) problems.push(...message.problems)
    else read = message.read
    // Ask in another turn of the event loop, because Node.js takes messages in one turn for as long as there are more.
    setImmediate(() => worker.postMessage('next'))
  })
  worker.once('error', (error) => {
    failure = error
  })
  worker.once('exit', () => {
    if (failure === null && read !== null) resolve(complete(read, services, problems))
    else reject(failure ?? new Error('the thread that parses the configuration ended before it was done'))
  })
  return promise
}

/** Completes a result with the services and problems that came separately. If there is a configuration, the problems are advice. */
function complete(read: ReadConfig, services: readonly Service[], problems: readonly Problem[]): ReadConfig {
  if (!read.ok) return { ok: false, problems }
  return { ...read, config: deepFreeze({ ...read.config, services: Object.freeze(services) }), advice: problems }
}

/** Translates an error of the thread that is no fault of the file or the program. Throws any other error. */
function whyNoThread(
  place: string,
  error: unknown,
): Pick<Extract<ReadConfig, { ok: false }>, 'problems' | 'arePassing'> {
  const { code } = error as NodeJS.ErrnoException
  const problem = (message: string): Problem[] => [{ place, path: '', message }]
  switch (code) {
    case 'ERR_WORKER_INIT_FAILED':
      return {
        problems: problem(`no thread can be started to parse it (${code}): let Porthole have more threads, or memory`),
        arePassing: true,
      }
    case 'ERR_WORKER_OUT_OF_MEMORY':
      return { problems: problem(`there is not enough memory to parse it (${code}): let Porthole have more`) }
    default:
      throw error
  }
}
