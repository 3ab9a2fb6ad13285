/** Runs the README's commands in a network of their own, where port 8080 is free, and compares what they print with what it shows. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { enterNamespace } from './namespace.ts'
import { exchangesOf, readme, root } from './readme.ts'

const skip = await enterNamespace(import.meta.filename)

/** What is not run here, and why. */
const notRun = new Map([
  ['npm ci', 'it has been run, or this test could not'],
  ['npm test', 'it is what runs this test'],
  ['docker build -t porthole .', 'needs a Docker daemon; docker.test.ts runs the steps'],
  ['docker run --rm --read-only -p 8080:8080 -v "$PWD:/etc/porthole:ro" porthole', 'needs a Docker daemon'],
  [
    'docker run --rm --read-only -p 8080:8080 -v "$PWD:/etc/porthole:ro" -v porthole:/data -e PORTHOLE_DATA=/data porthole',
    'needs a Docker daemon',
  ],
  ['docker run --rm porthole check example.internal:5432', 'needs a Docker daemon'],
])

/** A reader's environment: nothing that npm, the test runner or this machine adds for Porthole. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PORTHOLE_|NODE_|npm_)/.test(name))),
  PATH: (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.includes('/node_modules/'))
    .join(':'),
}
const exchanges = exchangesOf(readme)
const isServer = (command: string) => /\bnpm start\b/.test(command)

/** Whatever differs from run to run, made the same. Layout of JSON does not count. */
function normalise(text: string): string {
  const plain = text
    .replaceAll('\r', '')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT/g, '<date>')
    .replace(/\b\d+(\.\d+)? (ms|s)\b/g, '<span>')
    .replace(/^(age|content-length): \d+$/gm, '$1: <n>')
    .replace(/("(?:latencyMs|streak)":) ?[\d.]+/g, '$1 "<n>"')
    .replace(/^(porthole_target_(?:last_check|connect|checks|failures)_\w+\{.*\}) +\S+$/gm, '$1 <n>')
    .trim()
  const json = plain.search(/^\{/m)
  return json === -1 ? plain : plain.slice(0, json) + JSON.stringify(JSON.parse(plain.slice(json)), null, 2)
}

/** Starts a Porthole and waits until it is ready. It ends when `close` is called, and when this process dies, because its stdin ends. */
async function startServer(command: string): Promise<{ close(): Promise<void> }> {
  // A group of its own: a signal to npm alone might not reach Node.js.
  const server = spawn('sh', ['-c', `${command} & cat > /dev/null; kill -TERM 0`], {
    cwd: root,
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const closed = once(server, 'close')
  const close = async () => {
    server.stdin.end()
    await closed
  }
  const said: string[] = []
  const listening = Promise.withResolvers<string>()
  const lines = createInterface(server.stdout)
  lines.on('line', (line) => {
    said.push(line)
    const url = /Server listening at (http:[^"]+)/.exec(line)?.[1]
    if (url !== undefined) listening.resolve(url)
  })
  void closed.then(() => listening.reject(new Error(`${command} ended:\n${said.join('\n')}`)))
  const url = await listening.promise
  await untilReady(url)
  return { close }
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const { status, body } = await fetch(`${url}/readyz?verbose`).then(async (r) => ({
      status: r.status,
      body: await r.text(),
    }))
    if (status === 200) return
    if (Date.now() > deadline) assert.fail(`not ready after 30 s: ${body}`)
    await sleep(50)
  }
}

async function run(command: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd: root, env, timeout: 60_000 })
  return stdout
}

test('every command left out is one the README has', () => {
  const commands = new Set(exchanges.flatMap((exchange) => exchange.commands))
  assert.deepEqual(
    [...notRun.keys()].filter((command) => !commands.has(command)),
    [],
  )
})

test('the README starts with the two commands that start Porthole', () => {
  assert.deepEqual(exchanges[0]?.commands, ['npm ci', 'npm start'])
})

test('the README shows an answer for every command that is run and no server', () => {
  const unanswered = exchanges.filter(
    ({ commands, answer }) => answer === null && commands.some((command) => !notRun.has(command) && !isServer(command)),
  )
  assert.deepEqual(unanswered, [])
})

test("the README's commands print what it shows", { skip }, async (t) => {
  const servers: { close(): Promise<void> }[] = []
  t.after(() => Promise.all(servers.map((server) => server.close())))
  for (const { line, commands, answer } of exchanges) {
    const wanted = commands.filter((command) => !notRun.has(command))
    await t.test(`line ${line}: ${wanted.join('; ') || 'left out'}`, async () => {
      let printed = ''
      for (const command of wanted) {
        if (isServer(command)) servers.push(await startServer(command))
        else printed += await run(command)
      }
      if (answer !== null) assert.equal(normalise(printed), normalise(answer))
    })
  }
})
