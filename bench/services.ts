// What benchmarks of many services share: so many of one target each, all of them up, and another configuration that is taken in.
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Asked, askElsewhere } from './asking.ts'
import type { Running } from './processes.ts'

export const intervalSeconds = 10
const groups = 100
/** How often to look, in milliseconds. */
const everyMs = 20

/** A configuration: where it is, and the last of its services that is not in the one before; null where all of them are. */
export type Written = { readonly file: string; readonly lastNew: string | null }
/** How long until another configuration was in force, and what was asked meanwhile. */
export type Reloaded = { readonly ms: number; readonly asked: Asked }

/**
 * Writes a configuration of so many services; with `another` as it is after a change: one in ten of them defined otherwise, and one in a
 * hundred another. All of 127.0.0.0/8 is this machine: every target has an address of its own, and a few listeners serve them all.
 */
export function writeServices(folder: string, size: number, ports: readonly number[], another = false): Written {
  const file = join(folder, another ? 'another.json' : 'porthole.json')
  const names = Array.from({ length: size }, (_, i) => (another && i % 100 === 7 ? `another-${i}` : nameOf(i)))
  const services = Object.fromEntries(
    names.map((name, i) => {
      const address = `127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
      const service = { targets: [`${address}:${ports[i % ports.length]}`], groups: [`group-${i % groups}`] }
      const isOtherwise = another && i % 10 === 3
      return [name, isOtherwise ? { ...service, fall: 4 } : service]
    }),
  )
  const limits = { services: Math.max(10_000, size) }
  const defaults = { interval: `${intervalSeconds}s`, timeout: '2s' }
  writeFileSync(file, JSON.stringify({ defaults, limits, services }))
  return { file, lastNew: names.findLast((name, i) => name !== nameOf(i)) ?? null }
}

export function nameOf(index: number): string {
  return `service-${index}`
}

/** Waits until every target was checked, which is when Porthole is ready. */
export function untilReady(url: string): Promise<void> {
  return until('Porthole is ready', 60, async () => {
    const { ok, status } = await fetch(`${url}/readyz`)
    if (!ok && status !== 503) throw new Error(`/readyz answers ${status}`)
    return ok
  })
}

/** Puts another file in the place of its configuration, and asks whether it lives until that is in force. Rejects when that takes longer than so many seconds. */
export async function reload(
  { found: url, pid }: Running,
  config: Written,
  { file, lastNew }: Written,
  { asksPerSecond, seconds }: { asksPerSecond: number; seconds: number },
): Promise<Reloaded> {
  const before = await readReloadedAt(url)
  const asking = askElsewhere({ url, paths: ['/livez'], perSecond: asksPerSecond, seconds: seconds + 10 })
  await sleep(1000)
  const begin = performance.now()
  renameSync(file, config.file)
  process.kill(pid, 'SIGHUP')
  await until('the other configuration is in force', seconds, async () => {
    // The page would hold it up if it were asked for all the time.
    if (lastNew !== null && (await fetch(`${url}/health/${lastNew}`)).status === 404) return false
    return (await readReloadedAt(url)) !== before
  })
  const ms = performance.now() - begin
  asking.stop()
  return { ms, asked: await asking.asked }
}

/** When the configuration in force was read, in seconds of the time of day. Of the page no more is read than has that. */
async function readReloadedAt(url: string): Promise<number> {
  const request = get(`${url}/metrics`, { agent: false, signal: AbortSignal.timeout(60_000) })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let page = ''
  for await (const piece of response) {
    page += piece
    const found = /^porthole_config_last_reload_success_timestamp_seconds +(\S+)$/m.exec(page)?.[1]
    if (found !== undefined) return Number(found)
  }
  throw new Error('the page does not tell when the configuration was read')
}

/** Looks again and again until it is so. Rejects when that takes longer than so many seconds. */
export async function until(what: string, seconds: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited for ${seconds} s, and never came to see that ${what}`)
    await sleep(everyMs)
  }
}
