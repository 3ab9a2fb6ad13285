/** The commands `wait` and `status` as processes: signals, exit status, and the terminal. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listen, nobody } from '../support/app.ts'
import { createFolder, endWithTests, environment, porthole, runPorthole, start, until } from '../support/process.ts'

/** Starts `porthole` with its output in pipes. */
function launch(t: TestContext, args: string[], by: string[] = [], env: Record<string, string> = {}) {
  const [program = process.execPath, ...rest] = [...by, process.execPath, porthole, ...args]
  const child = spawn(program, rest, { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  endWithTests(child)
  t.after(() => child.kill('SIGKILL'))
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    said.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  return { child, said, ended: once(child, 'close') }
}

test('wait runs the command once the target is up, and signals reach it', async (t) => {
  const { port, close } = await freePort()
  const script = 'trap "echo bye; exit 7" TERM; echo "ready $WORD $UV_THREADPOOL_SIZE"; while :; do sleep 0.05; done'
  const args = ['wait', `127.0.0.1:${port}`, '--for', '2m', '--', 'sh', '-c', script]
  const { child, said, ended } = launch(t, args, [], { WORD: 'as-given' })
  await until('the first verdict', async () => said.err.includes('is down: '))
  assert.equal(said.out, '')
  const server = await close()
  t.after(() => server.close())
  await until('the command runs', async () => said.out.includes('ready'))
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [7, null])
  assert.equal(said.out, 'ready as-given \nbye\n')
  assert.match(said.err, /^127\.0\.0\.1:\d+ is down: .*\n127\.0\.0\.1:\d+ is up: connected in .*\n$/)
})

/** Returns a port on which nothing listens, and a function that listens there. */
async function freePort() {
  const listenAt = async (port: number) => {
    const server = net.createServer((socket) => socket.on('error', () => {}).destroy()).listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  const first = await listenAt(0)
  const { port } = first.address() as net.AddressInfo
  await new Promise((done) => first.close(done))
  return { port, close: () => listenAt(port) }
}

test('wait ends with the status or the signal of the command, and with 1 on a timeout', async (t) => {
  const { target } = await listen(t)
  const killed = launch(t, ['wait', target, '--quiet', '--', 'sh', '-c', 'kill -KILL $$'])
  assert.deepEqual(await killed.ended, [null, 'SIGKILL'])
  const missing = launch(t, ['wait', target, '--quiet', '--', 'no-such-program'])
  assert.deepEqual(
    [await missing.ended, missing.said.err],
    [[127, null], 'porthole: no-such-program cannot run: there is no such program\n'],
  )
  const late = launch(t, ['wait', nobody, '--for', '300ms', '--', 'echo', 'never'])
  assert.deepEqual([await late.ended, late.said.out], [[1, null], ''])
  assert.match(late.said.err, /\nporthole: 127\.0\.0\.1:1 is not up after 300 ms: .*nothing listens on 127\.0\.0\.1:1/)
  const interrupted = launch(t, ['wait', nobody])
  await until('the first verdict', async () => interrupted.said.err.includes('is down: '))
  interrupted.child.kill('SIGINT')
  assert.deepEqual(await interrupted.ended, [null, 'SIGINT'])
})

const noScript = spawnSync('script', ['--version']).error !== undefined && '`script` of util-linux is not installed'

test('status shows a running Porthole, in colour where asked, and watches it on a terminal', async (t) => {
  const { target } = await listen(t)
  const { url, health, child: server } = await start(t, [`db=${target}`, `gone=${nobody}`])
  await until('db is up', async () => (await health('db')).code === 200)
  await until('gone is down', async () => (await health('gone')).body.status === 'down')
  const plain = await runPorthole(t, ['status', url])
  assert.deepEqual([plain.status, plain.stderr], [1, ''])
  assert.match(
    plain.stdout,
    /^down: 1 up, 0 degraded, 1 down, 0 unknown\ndown {6}gone {2}0\/1 up .*\nup {8}db {4}1\/1 up /,
  )
  const { port } = new URL(url)
  const coloured = await runPorthole(t, ['status'], { PORTHOLE_PORT: port, FORCE_COLOR: '1' })
  assert.ok(coloured.stdout.startsWith('\x1b[31mdown\x1b[39m: 1 up'), coloured.stdout)
  const file = join(createFolder(t), 'token')
  writeFileSync(file, 'short')
  const flawed = await runPorthole(t, ['status', url, '--token-file', file])
  assert.deepEqual([flawed.status, flawed.stdout], [2, ''])
  assert.match(flawed.stderr, /the token has fewer than 16 characters/)
  const piped = await runPorthole(t, ['status', url, '--watch'])
  assert.deepEqual(
    [piped.status, piped.stderr.split('\n', 1)],
    [2, ['porthole: --watch needs a terminal: leave it out to print once']],
  )

  if (noScript !== false) {
    t.diagnostic(noScript)
    return
  }
  const command = [process.execPath, porthole, 'status', url, '--watch'].map((word) => `'${word}'`).join(' ')
  const terminal = spawn('script', ['--quiet', '--return', '--command', `echo pid $$; exec ${command}`, '/dev/null'], {
    env: { ...environment(), TERM: 'xterm', NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  endWithTests(terminal)
  const ended = once(terminal, 'close')
  let screen = ''
  terminal.stdout.on('data', (chunk) => {
    screen += chunk
  })
  await until('the view', async () => /gone {2}0\/1 up/.test(screen))
  server.kill('SIGKILL')
  await until('the server is gone', async () => screen.includes('cannot be reached: nothing listens there'))
  process.kill(Number(/pid (\d+)/.exec(screen)?.[1]), 'SIGINT')
  const [status] = await ended
  assert.equal(status, 1)
  assert.ok(
    screen.includes('\x1b[?1049h') && screen.trimEnd().endsWith('\x1b[?1049l'),
    JSON.stringify(screen.slice(-80)),
  )
  assert.ok(screen.lastIndexOf('gone  0/1 up') > screen.indexOf('cannot be reached'), 'the last view stays')
})
