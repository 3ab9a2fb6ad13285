import { type Answer, type Connection, connectRedis, placeOf, type RedisSettings } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { Script } from '../redis/script.ts'
import { createFeed, type Feed, firstOf } from './replication/change-feed.ts'

/** Two connections to Redis: one for requests, and one that waits for entries of the stream. */
export type Session = {
  readonly feed: Feed
  /** Resolves with the reason, as a sentence, once one of the connections is lost. */
  readonly over: Promise<string>
  close(): void
}

/** The Redis connector. Its connection may be open or not. */
export type RedisConnector = {
  /** Runs a script. Fails at once, with a sentence, while there is no connection. */
  run(script: Script, keys: readonly string[], input: readonly (string | number)[]): Promise<Answer>
  send(command: readonly string[]): Promise<Answer>
  /**
   * The same for requests of up to megabytes. Each opens a connection of its own and has one minute for the answer. Otherwise the renewals of leases
   * would wait for it on a slow network.
   */
  readonly bulk: Pick<RedisConnector, 'run' | 'send'>
  /** Returns why requests fail, as a sentence, after one of them failed; null while they succeed. The reason stays after the connection is lost. */
  refusal(): string | null
  /** Opens a new session. Returns a sentence if that fails. */
  open(): Promise<Session | string>
  /** Resolves once this replica has applied all entries of the stream up to this one, or after one second. */
  caughtUp(entry: number): Promise<void>
  /** Records that all entries up to this one are applied. */
  advance(entry: number): void
}

/** How long the caller of a change waits until the stream brings the change back, in milliseconds. */
const patienceMs = 1000
/** How long the answer to a large request may take, in milliseconds. */
const bulkMs = 60_000

export function createRedisConnector(settings: RedisSettings, keys: Keys): RedisConnector {
  let connection: Connection | null = null
  let failure = `there was no connection to ${placeOf(settings)} yet`
  let refusal: string | null = null
  let known = 0
  /** The connections that are open for large requests. */
  const bulky = new Set<Connection>()
  let waiting: { readonly entry: number; readonly go: () => void }[] = []

  async function open(): Promise<Session | string> {
    const asking = await connectRedis(settings, keys.meta)
    if (typeof asking === 'string') {
      refusal = null
      failure = asking
      return asking
    }
    const waitingFor = await connectRedis(settings, keys.meta)
    if (typeof waitingFor === 'string') {
      asking.close()
      failure = waitingFor
      return waitingFor
    }
    const close = () => {
      if (connection === asking) connection = null
      asking.close()
      waitingFor.close()
      for (const one of bulky) one.close()
    }
    const newest = await waitingFor.send(['XREVRANGE', keys.stream, '+', '-', 'COUNT', '1'])
    if (!newest.ok) {
      failure = newest.failure
      close()
      return failure
    }
    refusal = null
    connection = asking
    const over = Promise.race([asking.lost, waitingFor.lost]).then((why) => {
      // A failed request explains more than the closed connection.
      failure = refusal ?? why
      close()
      return failure
    })
    return { feed: createFeed(waitingFor.send, keys.stream, firstOf(newest.value)), over, close }
  }

  const absent = (): Answer => ({ ok: false, failure, isUncertain: false })

  function recordRefusal(answer: Answer): Answer {
    // The loss of a connection is a consequence of an error that Redis returned before, and hides it from people.
    if (!answer.ok && (refusal === null || !answer.isLost)) refusal = answer.failure
    return answer
  }

  function recordRun(answer: Answer): Answer {
    // A plain command may only read, which works even if Redis rejects changes. So only a script shows that changes are possible.
    if (answer.ok) refusal = null
    return recordRefusal(answer)
  }

  async function inBulk(ask: (one: Connection) => Promise<Answer>): Promise<Answer> {
    if (connection === null) return absent()
    const one = await connectRedis(settings, keys.meta)
    if (typeof one === 'string') return { ok: false, failure: one, isUncertain: false }
    bulky.add(one)
    // The session may have ended while this connection was opened.
    const answer = connection === null ? absent() : await ask(one)
    bulky.delete(one)
    one.close()
    return answer
  }

  return {
    run: async (script, on, input) =>
      connection === null ? absent() : recordRun(await connection.run(script, on, input)),
    send: async (command) => (connection === null ? absent() : recordRefusal(await connection.send(command))),
    bulk: {
      run: async (script, on, input) => recordRun(await inBulk((one) => one.run(script, on, input, bulkMs))),
      send: async (command) => recordRefusal(await inBulk((one) => one.send(command, bulkMs))),
    },
    refusal: () => refusal,
    open,
    caughtUp(entry) {
      if (entry <= known) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, patienceMs)
      const go = () => {
        clearTimeout(timer)
        resolve()
      }
      waiting.push({ entry, go })
      return promise
    },
    advance(entry) {
      known = entry
      for (const one of waiting) if (one.entry <= known) one.go()
      waiting = waiting.filter((one) => one.entry > known)
    },
  }
}
