import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Operation } from './sqlite-statements.ts'
import type { Reply, Request, WorkerData } from './sqlite-worker.ts'
import type { Kept, Put, Removed, Retention, Store, Stored } from './store.ts'

/** An operation, and who waits for it. */
type Wish = { readonly operation: Operation; readonly answer: (stored: Stored<unknown>) => void }

/** As for the thread that dials: without this it takes its share of the machine's memory before it collects anything. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 }

/**
 * Opens `porthole.db` in a directory, and makes both where they are missing. What is confirmed outlives a power cut. A file that
 * can only be read is served, and its changes fail until it can be written. The failure is a sentence that names the file and
 * the remedy. `now` tells milliseconds since the epoch.
 *
 * SQLite waits for the disk, so it runs in a thread of its own; and whatever is asked while it waits is committed together next.
 */
export async function openSqliteStore({
  directory,
  retention,
  now = Date.now,
}: {
  directory: string
  retention: Retention
  now?: () => number
}): Promise<Stored<Store>> {
  const file = join(directory, 'porthole.db')
  const workerData: WorkerData = { file, retention, now: now() }
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData, resourceLimits })
  const post = (request: Request) => worker.postMessage(request)
  let asked: Wish[] = []
  let underWay: Wish[] = []
  /** Why nothing more can be asked. */
  let over: string | null = null
  let cause = 'it was stopped'

  const opened = new Promise<Stored<unknown>>((answer) => underWay.push({ operation: { kind: 'beat', now: 0 }, answer }))
  const exited = new Promise<void>((done) => worker.once('exit', () => done()))
  worker.once('error', (error) => {
    cause = String(error)
  })
  worker.on('message', (reply: Reply) => {
    const answered = underWay
    underWay = []
    for (const [index, stored] of reply.entries()) answered[index]?.answer(stored)
    send()
  })
  void exited.then(() => {
    over ??= `the thread that keeps ${file} ended (${cause}): start Porthole again`
    for (const { answer } of [...underWay, ...asked]) answer({ ok: false, failure: over })
  })

  function send(): void {
    if (underWay.length > 0 || asked.length === 0) return
    underWay = asked
    asked = []
    post(underWay.map(({ operation }) => operation))
  }

  function ask<Value>(operation: Operation): Promise<Stored<Value>> {
    return new Promise((answer) => {
      if (over !== null) return answer({ ok: false, failure: over })
      asked.push({ operation, answer: answer as Wish['answer'] })
      // Not at once: what is asked in the same turn goes together.
      queueMicrotask(send)
    })
  }
