/**
 * Runs the commands of README.md and docs/ in a network of their own, where port 8080 is free, and compares their output with the pages.
 * The blocks of a page run in one shell, in order, so a page may set variables and start programs in the background.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildIfOld } from '../tools/build.ts'
import { enterNamespace } from './support/namespace.ts'
import { type Exchange, exchangesOf, pages, readme, root } from './support/readme.ts'

const skip = await enterNamespace(import.meta.filename)
// `npx porthole` and `npm start` run dist/.
await buildIfOld()

/** Commands that are not run here, and why. A page says the same of a whole block by a line above it: `<!-- not run: REASON -->`. */
const notRun = new Map([
  ['npm ci', 'it has been run, or this test could not'],
  ['npm test', 'it is what runs this test'],
])

/** A reader's environment: nothing that npm, the test runner or this machine adds for Porthole. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PORTHOLE_|NODE_|npm_)/.test(name))),
  PATH: (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.includes('/node_modules/'))
    .join(':'),
}
const isServer = (command: string) => /\bnpm start\b/.test(command)

/** The commands of a block that are run: runs of lines for the shell, and lines that start a server. */
function wantedOf({ text, notRun: reason }: Exchange): string[] {
  if (reason !== null) return []
  const lines = text.trimEnd().split('\n')
  const wanted: string[] = []
  for (const line of lines.filter((line) => !notRun.has(line))) {
    const last = wanted.at(-1)
    if (last === undefined || isServer(line) || isServer(last)) wanted.push(line)
    else wanted[wanted.length - 1] = `${last}\n${line}`
  }
  return wanted
}

/** Replaces everything that differs from run to run. Layout of JSON does not count. */
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

/** Starts a Porthole and waits until it is ready. `close` ends it. So does the death of this process, because stdin ends then. */
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

/** Starts the shell of a page, in a process group of its own. The group ends when `close` is called, and when this process dies. */
function startShell(): { run(script: string): Promise<string>; close(): Promise<void> } {
  const shell = spawn('bash', [], { cwd: root, env, detached: true, stdio: 'pipe' })
  let complaints = ''
  shell.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text
  })
  const closed = once(shell, 'close')
  shell.stdin.write("trap 'trap - TERM; kill -TERM 0' EXIT\n")
  const lines = createInterface(shell.stdout)[Symbol.asyncIterator]()
  return {
    async run(script) {
      // A command that reads its input must not read the rest of the page.
      shell.stdin.write(`{\n${script}\n} < /dev/null\nprintf '\\nended %s\\n' $?\n`)
      const printed: string[] = []
      const timer = setTimeout(() => process.kill(-(shell.pid ?? 0), 'SIGKILL'), 60_000)
      for (;;) {
        const { value, done } = await lines.next()
        assert(done !== true, `the shell ended:\n${printed.join('\n')}\n${complaints}`)
        const status = /^ended (\d+)$/.exec(value)?.[1]
        if (status !== undefined) clearTimeout(timer)
        if (status === '0') return printed.join('\n')
        assert(status === undefined, `exit status ${status}:\n${printed.join('\n')}\n${complaints}`)
        printed.push(value)
      }
    },
    async close() {
      shell.stdin.end()
      await closed
    },
  }
}

/** Runs the blocks of a page, and compares the output of each with the page. A block without an answer prints nothing. */
async function runPage(t: TestContext, exchanges: readonly Exchange[]): Promise<void> {
  const started = [startShell()] as [ReturnType<typeof startShell>, ...{ close(): Promise<void> }[]]
  t.after(() => Promise.all(started.map(({ close }) => close())))
  for (const exchange of exchanges) {
    const wanted = wantedOf(exchange)
    if (wanted.length === 0) continue
    await t.test(`line ${exchange.line}: ${wanted.join('; ')}`, async () => {
      let printed = ''
      for (const command of wanted) {
        if (isServer(command)) started.push(await startServer(command))
        else printed += await started[0].run(command)
      }
      assert.equal(
        normalise(printed),
        normalise(exchange.answer ?? ''),
        'show what the block prints in a block right below it, or write <!-- not run: REASON --> above it',
      )
    })
  }
}

test('the README starts with the two commands that start Porthole, and says how to test it', () => {
  const [first, ...others] = exchangesOf(readme)
  assert.equal(first?.text, 'npm ci\nnpm start\n')
  assert(others.some(({ text }) => text === 'npm test\n'))
})

for (const { path, text } of pages) {
  const exchanges = exchangesOf(text)
  if (exchanges.every((exchange) => wantedOf(exchange).length === 0)) continue
  test(`the commands of ${path} print what it shows`, { skip }, (t) => runPage(t, exchanges))
}
