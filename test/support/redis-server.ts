/** Real Redis servers for a test. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { type Connection, connectRedis } from '../../src/redis/connection.ts'
import { createFolder, endWithTests, type Scope } from './process.ts'

/** The reason to skip tests that need a server; false if it is installed. */
export const noRedis =
  spawnSync('redis-server', ['--version']).error === undefined ? false : 'redis-server is not installed'

/** A server that can be killed and started again, empty, at the same port. */
export type RedisServer = {
  readonly port: number
  readonly url: string
  /** The process that runs now. */
  pid(): number
  kill(signal: NodeJS.Signals): void
  /** Starts the server again once it is gone. All its data is lost. */
  restart(): Promise<void>
  /** Opens a connection that is closed after the test. */
  connect(): Promise<Connection>
  /** Deletes all data. */
  flush(): Promise<void>
}

/**
 * Returns a port on which nothing listens at `host`. The port lies below those that the kernel chooses for sockets without one
 * (ip_local_port_range in ip(7)). So no socket of another test takes the port before the caller does.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const [end = 32_768] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number)
  for (;;) {
    const server = createServer().listen(randomInt(10_000, end), host)
    const failure = await once(server, 'listening').then(
      () => null,
      (error: NodeJS.ErrnoException) => error,
    )
    if (failure?.code === 'EADDRINUSE') continue
    if (failure !== null) throw failure
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return port
  }
}

/** Starts a server on a free port of 127.0.0.1, or of `host`, with the options `args`. It stores no data on the disk and ends after the test. */
export async function startRedis(t: Scope, args: readonly string[] = [], host = '127.0.0.1'): Promise<RedisServer> {
  const port = await freePort(host)
  const folder = createFolder(t)
  const settings = [
    '--port',
    `${port}`,
    '--bind',
    host,
    '--protected-mode',
    'no',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    folder,
  ]

  async function launch() {
    const child = spawn('redis-server', [...settings, '--daemonize', 'no', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    endWithTests(child)
    const ended = once(child, 'exit')
    let said = ''
    for await (const chunk of child.stdout) {
      said += chunk
      if (said.includes('Ready to accept connections')) break
    }
    child.stdout.resume()
    assert.match(said, /Ready to accept connections/, `redis-server did not start: ${said}`)
    return { child, ended }
  }
  let running = await launch()
  t.after(async () => {
    running.child.kill('SIGKILL')
    await running.ended
  })
  const url = `redis://${host}:${port}`
  const connect = async () => {
    const connection = await connectRedis({ url, passwordFile: null }, 'any')
    assert(typeof connection !== 'string', String(connection))
    t.after(() => connection.close())
    return connection
  }
  return {
    port,
    url,
    pid: () => running.child.pid ?? 0,
    kill: (signal) => void running.child.kill(signal),
    async restart() {
      await running.ended
      running = await launch()
    },
    connect,
    async flush() {
      const connection = await connect()
      assert.ok((await connection.send(['FLUSHALL'])).ok)
      connection.close()
    },
  }
}
