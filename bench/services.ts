// Shared by the benchmarks with many services: services with one target each, all up, and another configuration to load.
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Asked, askElsewhere } from './asking.ts'
import type { Running } from './processes.ts'

export const intervalSeconds = 10
const groups = 100
/** The interval between two looks, in milliseconds. */
const everyMs = 20

/** A configuration: its path, and the last of its services that is not in the one before; null if all of them are in it. */
export type Written = { readonly file: string; readonly lastNew: string | null }
/** The time until another configuration was in force, and the answers to requests during that time. */
export type Reloaded = { readonly ms: number; readonly asked: Asked }

/**
 * Writes a configuration of `size` services. With `another` it is changed: one in ten services has another definition, and one in a hundred is
 * another service. All of 127.0.0.0/8 is this machine, so every target has an address of its own, and a few listeners serve them all.
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

/** Waits until every target was checked, because then Porthole is ready. */
export function untilReady(url: string): Promise<void> {
  return until('Porthole is ready', 60, async () => {
    const { ok, status } = await fetch(`${url}/readyz`)
    if (!ok && status !== 503) throw new Error(`/readyz answers ${status}`)
    return ok
  })
}

/** Replaces the configuration file, and requests /livez until the new configuration is in force. Rejects if that takes longer than `seconds`. */
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
    // Do not request the page all the time, because that would slow Porthole down.
    if (lastNew !== null && (await fetch(`${url}/health/${lastNew}`)).status === 404) return false
    return (await readReloadedAt(url)) !== before
  })
  const ms = performance.now() - begin
  asking.stop()
  return { ms, asked: await asking.asked }
}

/** Returns when the configuration in force was read, in seconds of the time of day. Reads the page only up to that value. */
async function readReloadedAt(url: string): Promise<number> {
  const request = get(`${url}/metrics`, { agent: false, signal: AbortSignal.timeout(60_000) })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let page = ''
  for await (const chunk of response) {
    page += chunk
    const found = /^porthole_config_last_reload_success_timestamp_seconds +(\S+)$/m.exec(page)?.[1]
    if (found !== undefined) return Number(found)
  }
  throw new Error('the page does not tell when the configuration was read')
}

/** Calls a function again and again until it returns true. Rejects if that takes longer than `seconds`. */
export async function until(what: string, seconds: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited for ${seconds} s, and never came to see that ${what}`)
    await sleep(everyMs)
  }
}
