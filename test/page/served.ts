/** A real Porthole for tests in a browser, proxies in front of it, and the parts of its pages. */
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { listenOn } from '../support/listening.ts'
import { createFolder, start } from '../support/process.ts'

/** The policy of the services of these tests. Checks are frequent, one check makes a service up, and two make it down. */
export const defaults = { interval: '200ms', timeout: '1100ms', rise: 1, fall: 2 }

/** Starts Porthole with these services, at `port` or at any free port. */
export async function serve(t: TestContext, services: Record<string, object>, { port = 0, more = {} } = {}) {
  const file = join(createFolder(t), 'porthole.json')
  writeFileSync(file, JSON.stringify({ listen: { host: '127.0.0.1', port }, defaults, services, ...more }))
  return start(t, ['--config', file], { PORTHOLE_PORT: String(port) })
}

export const headline = (page: Page) => page.locator('.headline h1')
export const row = (page: Page, name: string) => page.locator(`[data-key="${name}"].service`)
export const rows = (page: Page) => page.locator('.service .name a').allTextContents()
/** Waits until the page says that it is live. */
export const live = (page: Page) => page.locator('#live[data-live="yes"]').waitFor()

/**
 * Starts a proxy that removes a prefix of the path and passes the rest to the Porthole of that prefix, with `headers`. Pages come after
 * `delayMs`. With `holdsStreams` event streams never come, because the proxy waits for their end. The proxy answers 404 for a
 * path that ends in `missing`. Returns the proxy's address, without a path.
 */
export async function startProxy(
  t: TestContext,
  portholes: Readonly<Record<string, string>>,
  options: { headers?: Record<string, string>; delayMs?: number; holdsStreams?: boolean; missing?: string } = {},
): Promise<string> {
  const { headers = {}, delayMs = 0, holdsStreams = false, missing } = options
  const server = http.createServer(async (request, response) => {
    const { url = '', headers: asked } = request
    const path = Object.keys(portholes).find((path) => url.startsWith(`${path}/`))
    const isMissing = missing !== undefined && url.split('?', 1)[0]?.endsWith(missing)
    if (path === undefined || isMissing) return void response.writeHead(404).end()
    if (asked.accept?.startsWith('text/html')) await sleep(delayMs)
    const inner = http.request(`${portholes[path]}${url.slice(path.length)}`, {
      headers: { ...asked, 'x-forwarded-host': asked.host, ...headers },
    })
    inner.on('response', (answer) => {
      if (holdsStreams && answer.headers['content-type'] === 'text/event-stream') return void answer.resume()
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on('error', () => response.destroy()).pipe(response)
    })
    inner.on('error', () => response.destroy())
    response.on('close', () => inner.destroy())
    inner.end()
  })
  return listenOn(t, server)
}
