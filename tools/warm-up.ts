/**
 * Runs what is in dist/ once, so that Node.js writes its cache of compiled code. The build of the image calls it, because a container with a
 * read-only file system cannot write the cache later.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const porthole = join(import.meta.dirname, '../dist/porthole.js')
/** What clients ask first: probes, the status page, metrics, the API reference. */
const paths = ['/livez', '/readyz', '/health?verbose', '/', '/metrics', '/docs', '/openapi.json', '/v1/services']
/** The time for a start, in milliseconds. An emulated processor is slow. */
const startMs = 120_000

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port of this machine is free')
  return address.port
}

/** Serves a configuration that is large enough for its thread, with a database, so that every thread starts. */
async function serveOnce(folder: string): Promise<void> {
  const services = Array.from({ length: 500 }, (_, index) => [
    `s${index}`,
    { targets: ['127.0.0.1:9'], interval: 'off' },
  ])
  const file = join(folder, 'porthole.json')
  writeFileSync(file, JSON.stringify({ services: Object.fromEntries(services) }))
  const port = String(await findFreePort())
  const child = spawn(porthole, ['--config', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PORTHOLE_HOST: '127.0.0.1', PORTHOLE_PORT: port, PORTHOLE_DATA: join(folder, 'data') },
  })
  const exited = once(child, 'exit')
  const deadline = performance.now() + startMs
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)
  while (
    !(await ask('/livez').then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('Porthole does not start')
    await sleep(50)
  }
  for (const path of paths) await (await ask(path)).arrayBuffer()
  child.kill('SIGTERM')
  const [code] = await exited
  if (code !== 0) throw new Error(`Porthole ended with ${code}`)
}

const folder = mkdtempSync(join(tmpdir(), 'porthole-'))
try {
  await serveOnce(folder)
  // Nothing listens there, and the exit status says so.
  await promisify(execFile)(porthole, ['check', '127.0.0.1:9']).catch(({ code }) => {
    if (code !== 1) throw new Error(`porthole check ended with ${code}`)
  })
} finally {
  rmSync(folder, { recursive: true })
}
