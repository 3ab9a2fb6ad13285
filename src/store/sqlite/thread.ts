import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { Stored } from '../store.ts'
import type { Operation } from './statements.ts'
import type { Notice, Reply, Request, WorkerData } from './worker.ts'

/** The SQLite thread, as the main thread sees it. */
export type StoreThread = {
  ask(operation: Operation): Promise<Stored<unknown>>
  /** Runs the operations that wait, closes the database and ends the thread. */
  close(): Promise<void>
}

/** The reply of the thread to a request: one result for each operation. The caller validates the values. */
const StoredReply: z.ZodType<Reply> = z.array(
  z.union([
    z.object({ ok: z.literal(true), value: z.unknown() }),
    z.object({ ok: z.literal(false), failure: z.string(), isUncertain: z.boolean().exactOptional() }),
  ]),
)
const NoticeMessage: z.ZodType<Notice> = z.object({ notice: z.string() })

type Answer = (stored: Stored<unknown>) => void

/** The same limit as for the thread that dials. Without it V8 uses its share of the machine's memory before it collects garbage. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 }

/** Starts the thread. Resolves once the database is open, or with a sentence that says why it is not. Calls `onNotice` with sentences for the log. */
export async function startStoreThread(
  data: WorkerData,
  onNotice: (notice: string) => void = () => undefined,
): Promise<Stored<StoreThread>> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: data, resourceLimits })
  let operations: Operation[] = []
  let waiting: Answer[] = []
  /** The callers that wait for the request under way. */
  let served: Answer[] = []
  /** Why no more operations are accepted; null while they are. */
  let over: string | null = null
  let closing = false

  const opened = new Promise<Stored<unknown>>((answer) => served.push(answer))
  const exited = new Promise<void>((done) => worker.once('exit', () => done()))
  worker.once('error', (error) => {
    over = `the thread that keeps ${data.file} failed (${error}): start Porthole again`
  })
  worker.on('message', (message: unknown) => {
    const noticeMessage = NoticeMessage.safeParse(message)
    if (noticeMessage.success) return onNotice(noticeMessage.data.notice)
    const answers = served
    served = []
    const reply = StoredReply.safeParse(message)
    const failure = `the thread that keeps ${data.file} sent an invalid answer: start Porthole again`
    for (const [index, answer] of answers.entries())
      answer((reply.success ? reply.data[index] : undefined) ?? { ok: false, failure })
    send()
  })
  void exited.then(() => {
    over ??= `the thread that keeps ${data.file} ended: start Porthole again`
    for (const answer of [...served, ...waiting]) answer({ ok: false, failure: over })
  })

  /** Sends the operations that came while a request was under way as the next request. */
  function send(): void {
    if (served.length > 0) return
    if (operations.length > 0) post(operations)
    else if (closing) post('close')
    served = waiting
    operations = []
    waiting = []
  }

  const post = (request: Request) => worker.postMessage(request)

  const outcome = await opened
  if (!outcome.ok) {
    await exited
    return outcome
  }
  return {
    ok: true,
    value: {
      ask(operation) {
        if (over !== null) return Promise.resolve({ ok: false, failure: over })
        return new Promise((answer) => {
          operations.push(operation)
          waiting.push(answer)
          // Do not send at once, because the operations of one turn go into one request.
          queueMicrotask(send)
        })
      },
      close() {
        if (!closing) {
          closing = true
          over ??= `${data.file} is closed`
          send()
        }
        return exited
      },
    },
  }
}
