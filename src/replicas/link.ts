import { type Answer, type Connection, connectRedis, placeOf, type RedisSettings } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { Script } from '../redis/script.ts'
import { createFeed, type Feed, firstOf } from './feed.ts'

/** Two connections to Redis: one that is asked, and one that waits for what there is to tell. */
export type Session = {
  readonly feed: Feed
  /** Resolves with why it is over, as a sentence. */
  readonly over: Promise<string>
  close(): void
}

/** The way to Redis, which may be there or not. */
export type Link = {
  /** Asks; fails at once, with a sentence, while there is no connection. */
  run(script: Script, keys: readonly string[], input: readonly (string | number)[]): Promise<Answer>
  send(command: readonly string[]): Promise<Answer>
  /**
   * The same, for what may be megabytes: by a connection of its own that is opened for it, with a minute for the answer. So the renewals of leases
   * pass it on a slow network.
   */
  readonly bulk: Pick<Link, 'run' | 'send'>
  /** Returns why requests of this connection, or of the last one, fail since one of them did, as a sentence; null while they do not. */
  refusal(): string | null
  /** Connects anew. A string says why it cannot. */
  open(): Promise<Session | string>
  /** Resolves once everything up to this entry of the stream was taken in here, or it is clear that it will not soon be. */
  caughtUp(entry: number): Promise<void>
  /** Notes that everything up to this entry was taken in. */
  advance(entry: number): void
}

/** How long somebody who made a change waits for it to come back, in milliseconds. */
const patienceMs = 1000
/** How long the answer to a large request may take, in milliseconds. */
const bulkMs = 60_000

export function createLink(settings: RedisSettings, keys: Keys): Link {
  let connection: Connection | null = null
  let failure = `${placeOf(settings)} was not reached yet`
  let refusal: string | null = null
  let known = 0
  /** Those that are open for large requests. */
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
      // That it was closed says less than why.
      failure = refusal ?? why
      close()
      return failure
    })
    return { feed: createFeed(waitingFor.send, keys.stream, firstOf(newest.value)), over, close }
  }

  const absent = (): Answer => ({ ok: false, failure, isUncertain: false })

  function note(answer: Answer): Answer {
    if (!answer.ok) refusal = answer.failure
    return answer
  }

  function noteRun(answer: Answer): Answer {
    // Commands may read where changes are refused, so only a script shows that changes are possible.
    if (answer.ok) refusal = null
    return note(answer)
  }

  async function inBulk(ask: (one: Connection) => Promise<Answer>): Promise<Answer> {
    if (connection === null) return absent()
    const one = await connectRedis(settings, keys.meta)
    if (typeof one === 'string') return { ok: false, failure: one, isUncertain: false }
    bulky.add(one)
    // It may have been given up meanwhile.
    const answer = connection === null ? absent() : await ask(one)
    bulky.delete(one)
    one.close()
    return answer
  }

  return {
    run: async (script, on, input) =>
      connection === null ? absent() : noteRun(await connection.run(script, on, input)),
    send: async (command) => (connection === null ? absent() : note(await connection.send(command))),
    bulk: {
      run: async (script, on, input) => noteRun(await inBulk((one) => one.run(script, on, input, bulkMs))),
      send: async (command) => note(await inBulk((one) => one.send(command, bulkMs))),
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
