import { createClient, ErrorReply } from '@redis/client'
import { type Obstacle, readFile } from '../runtime/read-file.ts'
import { explainFailure, mayHaveRun } from './failure.ts'
import type { Script } from './script.ts'

/** The address of Redis and the credentials. */
export type RedisSettings = {
  /** `redis://` or `rediss://`, with user and password if it has them. */
  readonly url: string
  /** The file that holds the password. Porthole reads it for every connection, so that an operator can change the password. */
  readonly passwordFile: string | null
}

/** A reply of Redis (RESP2). */
export type Reply = string | number | null | readonly Reply[]

/**
 * The reply of Redis, or a sentence that says why there is none. `isUncertain`: Redis may have run the command all the same. `isLost`: the connection
 * is lost, and the sentence says why it is.
 */
export type Answer =
  | { readonly ok: true; readonly value: Reply }
  | { readonly ok: false; readonly failure: string; readonly isUncertain: boolean; readonly isLost?: true }

/** One connection to Redis. A lost connection does not come back. */
export type Connection = {
  /**
   * Sends a command. Fails if no answer comes within `deadlineMs`, one second by default. After two such failures in a row the connection is lost.
   */
  send(command: readonly string[], deadlineMs?: number): Promise<Answer>
  run(
    script: Script,
    keys: readonly string[],
    input: readonly (string | number)[],
    deadlineMs?: number,
  ): Promise<Answer>
  /** Resolves with the reason, as a sentence, once the connection is lost. */
  readonly lost: Promise<string>
  close(): void
}

/** How long Redis may take for an answer, in milliseconds. */
const answerMs = 1000
/** How long reading the password file may take, in milliseconds. */
const passwordMs = 5000
const mostPasswordBytes = 65_536

/** Returns the place of Redis for messages, without the password. */
export function placeOf({ url }: RedisSettings): string {
  const { host } = new URL(url)
  return `Redis at ${host}`
}

/**
 * Connects to Redis. Returns a sentence if that fails. `key` is one of Porthole's keys. If a node of a Redis Cluster does not have that key, its
 * `MOVED` error names the node that has it. Porthole follows one such redirection.
 *
 * The timeout of the client library stops once a command is written, so each call has its own deadline. The library does not reconnect, because
 * Porthole has to read everything again after a lost connection anyway.
 */
export async function connectRedis(settings: RedisSettings, key: string): Promise<Connection | string> {
  const first = await open(settings, new URL(settings.url))
  if (typeof first === 'string') return first
  const probe = await first.send(['HLEN', key])
  if (probe.ok) return first
  const moved = /\bMOVED \d+ (\S*):(\d+)$/.exec(probe.failure)
  if (moved === null) {
    first.close()
    return probe.failure
  }
  first.close()
  const [, host = '', port = ''] = moved
  const there = new URL(settings.url)
  // An empty host in `MOVED` means the node that was asked.
  if (host !== '') there.hostname = host.includes(':') ? `[${host}]` : host
  there.port = port
  return open({ ...settings, url: there.href }, there)
}

async function open(settings: RedisSettings, url: URL): Promise<Connection | string> {
  const place = placeOf({ ...settings, url: url.href })
  const password = settings.passwordFile === null ? null : await readPassword(settings.passwordFile)
  if (typeof password === 'object' && password !== null)
    return `the password of ${place} cannot be read from replicas.passwordFile: ${password.failure}`
  const { username, password: written } = url
  const address = new URL(url)
  // If the address has a user or a password, the client library ignores its options for both.
  address.username = ''
  address.password = ''
  const secret = password ?? decodeURIComponent(written)
  const client = createClient({
    url: address.href,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(secret === '' ? {} : { password: secret }),
    RESP: 2,
    name: 'porthole',
    disableOfflineQueue: true,
    socket: { connectTimeout: answerMs, reconnectStrategy: false },
  })
  const { promise: lost, resolve } = Promise.withResolvers<string>()
  let isLost = false
  const lose = (why: string) => {
    if (isLost) return
    isLost = true
    resolve(why)
    client.destroy()
  }
  client.on('error', (error: Error) => lose(explainFailure(place, error)))
  client.on('end', () => lose(`${place} closed the connection`))
  const connected = await within(2 * answerMs, client.connect())
  if (!connected.ok) {
    lose(explainFailure(place, connected.error))
    return lost
  }

  let missed = 0
  async function send(command: readonly string[], deadlineMs = answerMs): Promise<Answer> {
    if (isLost) return { ok: false, failure: await lost, isUncertain: false, isLost: true }
    const answer = await within(deadlineMs, client.sendCommand<Reply>([...command]))
    if (answer.ok) {
      missed = 0
      return answer
    }
    // The client library rejects each request that is under way with a text of its own, which does not name the cause.
    if (isLost && !(answer.error instanceof ErrorReply))
      return { ok: false, failure: await lost, isUncertain: true, isLost: true }
    const failure = explainFailure(place, answer.error)
    if (answer.isOverdue && ++missed >= 2) lose(failure)
    // An error that Redis returns is certain, except if it interrupted a script that had made changes.
    return { ok: false, failure, isUncertain: !(answer.error instanceof ErrorReply) || mayHaveRun(answer.error) }
  }

  return {
    send,
    lost,
    async run({ text, sha1 }, keys, input, deadlineMs) {
      const rest = [`${keys.length}`, ...keys, ...input.map(String)]
      const answer = await send(['EVALSHA', sha1, ...rest], deadlineMs)
      // Redis does not know the script yet, or dropped it. `EVAL` sends the whole text, and Redis caches it.
      if (answer.ok || !answer.failure.includes('NOSCRIPT')) return answer
      return send(['EVAL', text, ...rest], deadlineMs)
    },
    close: () => lose(`the connection to ${place} is closed`),
  }
}

/** Reads the password from a file and trims white space around it. A failure is a clause that names the file. */
async function readPassword(file: string): Promise<string | { readonly failure: string }> {
  const read = await readFile(file, { deadlineMs: passwordMs }, async ({ chunks }) => {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of chunks(mostPasswordBytes)) text += decoder.decode(chunk, { stream: true })
    return text.trim()
  })
  return read.ok ? read.value : { failure: explainObstacle(read.obstacle, file) }
}

function explainObstacle(obstacle: Obstacle, file: string): string {
  switch (obstacle.kind) {
    case 'error':
      return obstacle.code === 'EFBIG'
        ? `${file} has more than ${mostPasswordBytes} bytes: name a file that holds only the password`
        : `${obstacle.code}: ${file}`
    case 'other':
      return `${file} is ${obstacle.what}: put a regular file in its place, or a symbolic link to one`
    case 'late':
      return `${file} cannot be read within ${obstacle.ms / 1000} s: see whether its file system hangs`
  }
}

type Settled<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Error; readonly isOverdue: boolean }

/** Waits for a promise for at most `ms` milliseconds. A later result is ignored. */
async function within<Value>(ms: number, promise: Promise<Value>): Promise<Settled<Value>> {
  const { promise: overdue, resolve } = Promise.withResolvers<Settled<Value>>()
  const error = new Error(`it has not answered for ${ms / 1000} s`)
  const overdueNow = () => resolve({ ok: false, error, isOverdue: true })
  // After a blocked event loop, timers run before input is read. `setImmediate` lets an answer count that has already arrived.
  const timer = setTimeout(() => setImmediate(overdueNow), ms)
  const settled = promise.then(
    (value): Settled<Value> => ({ ok: true, value }),
    (error: Error): Settled<Value> => ({ ok: false, error, isOverdue: false }),
  )
  const first = await Promise.race([settled, overdue])
  clearTimeout(timer)
  return first
}
