/** Tests of look-ups by the system, with Porthole as a process and name servers of the test. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type NameAnswer, noSuchName, serverFailure, startNameServer } from '../support/name-server.ts'
import { createResolvConf, enterNamespace, sh } from '../support/namespace.ts'
import { createFolder, runPorthole, start, until } from '../support/process.ts'

const noNamespace = await enterNamespace(import.meta.filename)

/** An address whose packets are dropped, so that nothing answers. */
const silentServer = '192.0.2.53'
const port = 21_201

function answerName(name: string, type: 'A' | 'AAAA'): NameAnswer | null {
  const [label = ''] = name.split('.')
  const ips = type === 'A' ? ['127.0.0.1'] : []
  const slow = /^slow(\d+)$/.exec(label)
  if (slow !== null) return { ips, afterMs: Number(slow[1]) }
  if (label === 'a-fails') return type === 'A' ? { error: serverFailure } : {}
  if (label === 'aaaa-fails') return type === 'AAAA' ? { error: serverFailure } : {}
  if (label === 'empty') return {}
  return label === 'gone' ? { error: noSuchName } : { ips }
}

describe('look-ups', { skip: noNamespace }, () => {
  let resolvConf: ReturnType<typeof createResolvConf>
  let server: Awaited<ReturnType<typeof startNameServer>>
  let listener: net.Server
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))

  before(async () => {
    resolvConf = createResolvConf()
    const hosts = ['127.0.0.1 localhost', ...Array.from({ length: 10 }, (_, n) => `127.0.0.1 h${n}.inhosts.test`)]
    writeFileSync(join(folder, 'hosts'), `${hosts.join('\n')}\n`)
    sh(`
      mount --bind ${folder}/hosts /etc/hosts
      ip addr add 192.0.2.1/24 dev lo
      nft -f - <<'RULES'
        table inet filter { chain input {
          type filter hook input priority 0
          ip daddr ${silentServer} udp dport 53 drop
        }
        }
RULES`)
    server = await startNameServer('127.0.0.1', answerName)
    listener = net.createServer((socket) => socket.on('error', () => undefined).resume()).listen(port, '127.0.0.1')
    await once(listener, 'listening')
  })
  after(() => {
    listener.close()
    server.close()
    resolvConf.close()
    rmSync(folder, { recursive: true })
  })

  test('ten names of /etc/hosts are up after a cold start, beside 300 names that no name server answers', async (t) => {
    resolvConf.write(`nameserver ${silentServer}\n`)
    const dead = Array.from({ length: 300 }, (_, n) => [`d${n}`, { targets: [`d${n}.dead.test:5432`] }])
    const live = Array.from({ length: 10 }, (_, n) => [`h${n}`, { targets: [`h${n}.inhosts.test:${port}`] }])
    const file = join(createFolder(t), 'porthole.json')
    writeFileSync(file, JSON.stringify({ shutdownDelay: '0s', services: Object.fromEntries([...dead, ...live]) }))
    const { child, ended, health, url } = await start(t, ['--config', file])
    for (const [name] of live) {
      await until(`${name} is up`, async () => {
        const { code, body } = await health(`${name}`)
        const [target] = body.targets
        assert.ok(code === 200 || target?.checkedAt === null, target?.message ?? undefined)
        return code === 200
      })
    }
    await until('a name waited for its turn', async () => {
      const response = await fetch(`${url}/health?verbose`, { headers: { accept: 'text/plain' } })
      return /the look-up of d\d+\.dead\.test waited too long behind slow look-ups/.test(await response.text())
    })
    await until('the dead names were checked twice', async () => {
      const page = await (await fetch(`${url}/metrics`)).text()
      const [, local] = /^porthole_checks_total\{reason="local"\} (\d+)$/m.exec(page) ?? []
      return Number(local) >= 600
    })
    for (const [name] of live) assert.equal((await health(`${name}`)).code, 200)
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: 0, signal: null })
  })

  test('the check command ends before a look-up that no name server answers', async (t) => {
    resolvConf.write(`nameserver ${silentServer}\noptions timeout:30 attempts:5\n`)
    const { status, stdout } = await runPorthole(t, ['check', 'db.dead.test:5432', '--timeout', '100ms'])
    assert.deepEqual(
      [status, stdout.replace(/\d+ ms/, 'N ms')],
      [1, 'db.dead.test:5432 could not be checked: no resolver answered for the name db.dead.test in N ms\n'],
    )
  })

  for (const [what, more, env, name, expected] of [
    ['an answer after 2.5 s counts', '', {}, 'slow2500.test', / is up: /],
    ['an answer after 2.5 s counts if the second server is silent', silentServer, {}, 'slow2500.test', / is up: /],
    [
      'settings in resolv.conf apply',
      'options timeout:1 attempts:1',
      {},
      'slow2500.test',
      /could not be looked up \(EAI_AGAIN\)/,
    ],
    [
      'settings in RES_OPTIONS apply',
      '',
      { RES_OPTIONS: 'timeout:1 attempts:1' },
      'slow2500.test',
      /could not be looked up \(EAI_AGAIN\)/,
    ],
    ['resolv.conf may give a server more time', 'options timeout:10 attempts:1', {}, 'slow6000.test', / is up: /],
  ] as const) {
    test(`a slow name server: ${what}`, async (t) => {
      const line = more === silentServer ? `nameserver ${more}` : more
      resolvConf.write(`nameserver 127.0.0.1\n${line}\n`)
      const { stdout } = await runPorthole(t, ['check', `${name}:${port}`, '--timeout', '10s'], env)
      assert.match(stdout, expected)
    })
  }

  for (const [what, name, expected] of [
    ['IPv4 fails and IPv6 is empty', 'a-fails.test', /could not be looked up \(EAI_AGAIN\)/],
    ['IPv6 fails and IPv4 is empty', 'aaaa-fails.test', /could not be looked up \(EAI_AGAIN\)/],
    ['both are empty', 'empty.test', /is down: the name empty\.test does not exist, or has no address \(ENOTFOUND\)/],
    [
      'there is no such name',
      'gone.test',
      /is down: the name gone\.test does not exist, or has no address \(ENOTFOUND\)/,
    ],
  ] as const) {
    test(`families: ${what}`, async (t) => {
      resolvConf.write('nameserver 127.0.0.1\n')
      const { stdout } = await runPorthole(t, ['check', `${name}:${port}`, '--timeout', '10s'])
      assert.match(stdout, expected)
    })
  }
})
