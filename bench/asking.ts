// Asks Porthole at a fixed rate, from a thread of its own that nothing of the bench holds up.
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** What to ask, over and over in this order. */
export type Asking = {
  readonly url: string
  readonly paths: readonly string[]
  readonly perSecond: number
  readonly seconds: number
}
/** How long answers took in milliseconds, each from the instant at which it was due to be asked for; `wrong`: other than 200. */
export type Asked = { readonly p50: number; readonly p99: number; readonly most: number; readonly wrong: number }

export async function askElsewhere(asking: Asking): Promise<Asked> {
  const [asked] = await once(new Worker(fileURLToPath(import.meta.url), { workerData: asking }), 'message')
  return asked
}

if (!isMainThread && parentPort !== null) parentPort.postMessage(await ask(workerData))

async function ask({ url, paths, perSecond, seconds }: Asking): Promise<Asked> {
  const agent = new Agent({ keepAlive: true })
  const took: number[] = []
  let wrong = 0
  const askOnce = async (due: number, path: string) => {
    try {
      const signal = AbortSignal.timeout(10_000)
      const [response] = (await once(get(`${url}${path}`, { agent, signal }), 'response')) as [IncomingMessage]
      response.resume()
      await once(response, 'end')
      if (response.statusCode !== 200) wrong++
    } catch {
      wrong++
    }
    took.push(performance.now() - due)
  }
  const begin = performance.now()
  const asked: Promise<void>[] = []
  for (let i = 0; i < perSecond * seconds; i++) {
    const due = begin + (i * 1000) / perSecond
    if (due > performance.now()) await sleep(due - performance.now())
    asked.push(askOnce(due, paths[i % paths.length] ?? '/'))
  }
  await Promise.all(asked)
  agent.destroy()
  took.sort((a, b) => a - b)
  const quantile = (q: number) => took[Math.floor(q * (took.length - 1))] ?? Number.NaN
  return { p50: quantile(0.5), p99: quantile(0.99), most: quantile(1), wrong }
}
