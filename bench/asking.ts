// Sends requests to Porthole at a fixed rate, from a thread of its own that the rest of the bench cannot block.
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** The requests: these paths, again and again in this order, for `seconds` at most or until `stop`. */
type Questions = {
  readonly url: string
  readonly paths: readonly string[]
  readonly perSecond: number
  readonly seconds: number
}
/**
 * The times of the answers in milliseconds. Each counts from the planned start of its request or, if that was earlier, from the real start.
 * `wrong` is the number of answers other than 200.
 */
export type Asked = { readonly p50: number; readonly p99: number; readonly longest: number; readonly wrong: number }
export type Asking = { readonly asked: Promise<Asked>; stop(): void }

export function askElsewhere(questions: Questions): Asking {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: questions })
  return { asked: once(worker, 'message').then(([asked]) => asked), stop: () => worker.postMessage('stop') }
}

if (!isMainThread && parentPort !== null) {
  parentPort.postMessage(await ask(workerData, once(parentPort, 'message')))
  parentPort.close()
}

async function ask({ url, paths, perSecond, seconds }: Questions, stopped: Promise<unknown>): Promise<Asked> {
  let isOver = false
  void stopped.then(() => {
    isOver = true
  })
  const agent = new Agent({ keepAlive: true })
  const took: number[] = []
  let wrong = 0
  const askOnce = async (due: number, path: string) => {
    // A timer may fire a part of a millisecond early.
    const from = Math.min(due, performance.now())
    try {
      const signal = AbortSignal.timeout(10_000)
      const [response] = (await once(get(`${url}${path}`, { agent, signal }), 'response')) as [IncomingMessage]
      response.resume()
      await once(response, 'end')
      if (response.statusCode !== 200) wrong++
    } catch {
      wrong++
    }
    took.push(performance.now() - from)
  }
  const begin = performance.now()
  const asked: Promise<void>[] = []
  for (let i = 0; i < perSecond * seconds && !isOver; i++) {
    const due = begin + (i * 1000) / perSecond
    const earlyMs = due - performance.now()
    if (earlyMs > 0) await sleep(earlyMs)
    asked.push(askOnce(due, paths[i % paths.length] ?? '/'))
  }
  await Promise.all(asked)
  agent.destroy()
  took.sort((a, b) => a - b)
  const quantile = (q: number) => took[Math.floor(q * (took.length - 1))] ?? Number.NaN
  return { p50: quantile(0.5), p99: quantile(0.99), longest: quantile(1), wrong }
}
