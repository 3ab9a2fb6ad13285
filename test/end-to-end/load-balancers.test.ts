/** Runs the lines for HAProxy of docs/load-balancers.md in a real HAProxy, with other addresses. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { listenForChecks } from '../replicas/fleet/fleet.ts'
import { createFolder, endWithTests, start, until } from '../support/process.ts'
import { blocksOf, root } from '../support/readme.ts'

const noHaproxy = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed'
const skip = { skip: noHaproxy }
const page = readFileSync(join(root, 'docs/load-balancers.md'), 'utf8')
const [beside = '', forAll = ''] = blocksOf(page)
  .filter(({ language }) => language === 'haproxy')
  .map(({ text }) => text)
const token = 'an-example-and-no-secret'

/** Starts Porthole with services of one target each. The targets answer until the test stops them. */
async function serve(t: TestContext, names: readonly string[]) {
  const targets = await listenForChecks(t, names.length)
  const services = Object.fromEntries(
    names.map((name, index) => [name, { targets: [`127.0.0.1:${targets[index]?.port}`] }]),
  )
  const file = join(createFolder(t), 'porthole.json')
  const defaults = { interval: '200ms', timeout: '1100ms', rise: 1, fall: 1 }
  const write = (services: object) => writeFileSync(file, JSON.stringify({ defaults, services }))
  write(services)
  const { url, child } = await start(t, ['--config', file], { PORTHOLE_TOKEN: token })
  return {
    port: new URL(url).port,
    targets,
    /** Drains a service, or ends its drain. */
    async drain(name: string, method: 'PUT' | 'DELETE') {
      const headers = { authorization: `Bearer ${token}` }
      assert.ok((await fetch(`${url}/v1/services/${name}/drain`, { method, headers })).ok)
    },
    /** Removes all services. */
    forget() {
      write({})
      child.kill('SIGHUP')
    },
  }
}

/** Starts HAProxy with a backend. Returns a function that waits for a status of a server, as `show stat` shows it: status, check and code. */
async function balance(t: TestContext, backend: string) {
  const folder = createFolder(t)
  const socket = join(folder, 'stats')
  const timeouts = 'timeout connect 2s\n  timeout client 2s\n  timeout server 2s'
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, `global\n  stats socket ${socket} level admin\ndefaults\n  ${timeouts}\n${backend}`)
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  endWithTests(child)
  const complaints = text(child.stderr)
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const say = async (command: string): Promise<string> => {
    const connection = net.connect(socket)
    connection.end(`${command}\n`)
    return text(connection)
  }
  await until('HAProxy listens', async () => {
    assert.equal(child.exitCode, null, child.exitCode === null ? '' : await complaints)
    return say('show info').catch(() => undefined)
  })
  const statusOf = async (server: string) => {
    const [header = '', ...lines] = (await say('show stat')).split('\n')
    const names = header.replace('# ', '').split(',')
    const cells = lines.find((line) => line.split(',')[1] === server)?.split(',') ?? []
    const cell = (name: string) => cells[names.indexOf(name)] ?? ''
    return `${cell('status')} ${cell('check_status')} ${cell('check_code')}`
  }
  return {
    say,
    async untilStatus(server: string, wanted: string) {
      let last = ''
      await until(`${server} is ${wanted}`, async () => {
        last = await statusOf(server)
        return last === wanted
      }).catch((error: Error) => assert.fail(`${error.message}, and was ${last}`))
    },
  }
}

/** The lines of the page, with the addresses of servers and a Porthole of this machine. */
const here = (lines: string, port: string) =>
  lines.replace(/10\.0\.0\.\d+/g, '127.0.0.1').replaceAll('port 8080', `port ${port}`)

test('HAProxy takes a service that is down or drained out, and puts it back', skip, async (t) => {
  const { port, targets, drain } = await serve(t, ['web'])
  const { untilStatus, say } = await balance(t, here(beside, port))
  await untilStatus('web-1', 'UP L7OK 200')
  await untilStatus('web-2', 'UP L7OK 200')
  await drain('web', 'PUT')
  await untilStatus('web-1', 'DOWN L7STS 503')
  await untilStatus('web-2', 'DOWN L7STS 503')
  await drain('web', 'DELETE')
  await untilStatus('web-1', 'UP L7OK 200')
  await targets[0]?.close()
  await untilStatus('web-1', 'DOWN L7STS 503')
  await targets[0]?.open()
  await untilStatus('web-1', 'UP L7OK 200')
  await say('set server web/web-1 state drain')
  await untilStatus('web-1', 'DRAIN L7OK 200')
})

test('HAProxy asks one Porthole about each server by its name', skip, async (t) => {
  const { port, targets, forget } = await serve(t, ['redis-1', 'redis-2'])
  const { untilStatus } = await balance(t, here(forAll, port))
  await untilStatus('redis-1', 'UP L7OK 200')
  await untilStatus('redis-2', 'UP L7OK 200')
  await targets[1]?.close()
  await untilStatus('redis-2', 'DOWN L7STS 503')
  await untilStatus('redis-1', 'UP L7OK 200')
  forget()
  await untilStatus('redis-1', 'DOWN L7STS 404')
})

test('OPTIONS, the default method of HAProxy, gets the real status', skip, async (t) => {
  const { port, targets } = await serve(t, ['web'])
  const withOptions = (path: string) =>
    here(beside, port)
      .replace('option httpchk GET /health/web', `option httpchk${path}`)
      .replace('  http-check expect status 200\n', '')
  const [named, bare] = [await balance(t, withOptions(' /health/web')), await balance(t, withOptions(''))]
  await named.untilStatus('web-1', 'UP L7OK 200')
  await bare.untilStatus('web-1', 'DOWN L7STS 405')
  await targets[0]?.close()
  await named.untilStatus('web-1', 'DOWN L7STS 503')
})
