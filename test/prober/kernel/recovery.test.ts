import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'
import { systemClock } from '../../../src/clock.ts'
import { verdictOf } from '../../../src/domain/outcome.ts'
import { awaitOutcome, type Prober } from '../../../src/prober/prober.ts'
import { enterNamespace, sh } from '../../namespace.ts'
import { checkOnce, targetOf } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'
import { epollTargets, openDescriptors, openedSince } from './descriptors.ts'

const skip = await enterNamespace(import.meta.filename)
const clock = systemClock()
const dropped = 81

describe('the kernel prober recovers', { skip }, () => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    // Leaves a check that ends with FIN waiting for a while.
    socket.on('error', () => {}).on('end', () => setTimeout(() => socket.destroy(), 100))
    socket.resume()
  })
  let port = 0
  let reject = ''

  before(async () => {
    sh(`nft -f - <<'RULES'
      table inet filter {
        chain input { type filter hook input priority 0; tcp dport ${dropped} drop; }
        chain output { type filter hook output priority 0; }
      }
RULES`)
    await new Promise<void>((done) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, done))
    port = (server.address() as AddressInfo).port
    reject = `nft add rule inet filter output tcp dport ${port}`
    // What is opened once and for all, such as koffi's library, is open from here on.
    await (await makeKernel({ clock })).close()
  })
  after(() => server.close())

  /** Checks until the worker is back: it starts anew at once, or a second after a worker that died young. */
  async function untilConnected(prober: Prober): Promise<void> {
    const giveUpAt = clock.now() + 10_000
    for (;;) {
      const { reason, code } = await checkOnce(prober, '127.0.0.1', port)
      if (reason === 'connected') return
      assert.deepEqual([reason, code], ['local', 'EWORKERDIED'])
      assert.ok(clock.now() < giveUpAt, 'no new worker in 10 s')
      await sleep(20)
    }
  }

  test('a worker that dies takes its checks along as our own fault, is started anew and leaves nothing open', async (t) => {
    const before = openDescriptors()
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    const whole = withoutSockets(before)
    const lost = Array.from({ length: 20 }, () => checkOnce(prober, '127.0.0.1', dropped, 60_000))
    await killWorker(prober, before, port)
    const diedAt = clock.now()
    lost.push(checkOnce(prober, '127.0.0.1', port))
    for (const { reason, code, endedAt } of await Promise.all(lost)) {
      assert.deepEqual([reason, code], ['local', 'EWORKERDIED'])
      assert.ok(endedAt - diedAt < 2000, `told after ${endedAt - diedAt} ms`)
    }
    assert.equal(prober.restarts(), 1)
    await untilConnected(prober)
    assert.equal(prober.restarts(), 1)
    // The new worker has what the old one had, and nothing of the old one is left.
    assert.equal(withoutSockets(before).length, whole.length)
    await prober.close()
    assert.deepEqual(await leftOver(before), [])
  })

  for (const [when, waitMs] of [
    ['before the next worker is started', 0],
    ['while the next worker starts', 1100],
  ] as const) {
    test(`close ${when} waits for what there is, and leaves nothing open`, async (t) => {
      const before = openDescriptors()
      const prober = await makeKernel({ clock })
      t.after(prober.close)
      // A worker that dies young is replaced after a second, one that lived longer at once.
      await sleep(waitMs)
      await killWorker(prober, before, port)
      assert.equal((await checkOnce(prober, '127.0.0.1', port)).code, 'EWORKERDIED')
      assert.equal(prober.restarts(), 1)
      if (waitMs > 0) await sleep(1)
      const late = awaitOutcome(prober, {
        target: targetOf('127.0.0.1', port),
        timeoutMs: 1000,
        close: 'rst',
        urgent: true,
      })
      await Promise.all([prober.close(), prober.close()])
      assert.notEqual((await late)?.reason, 'connected')
      assert.deepEqual(await leftOver(before), [])
    })
  }

  test('close leaves alone what others opened since, however often it is called', async () => {
    const prober = await makeKernel({ clock })
    const abandoned = awaitOutcome(prober, {
      target: targetOf('127.0.0.1', port),
      timeoutMs: 1000,
      close: 'rst',
      urgent: true,
    })
    await prober.close()
    assert.equal(await abandoned, undefined)
    const others = Array.from({ length: 8 }, () => openSync('/dev/null', 'r'))
    await prober.close()
    for (const fd of others) closeSync(fd)
  })

  test('too many checks for the file descriptors there are: none is called down, and the rest is checked', async (t) => {
    const before = openDescriptors()
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    const restore = limitDescriptors(150)
    const many = () => Promise.all(Array.from({ length: 200 }, () => checkOnce(prober, '127.0.0.1', dropped, 300)))
    const outcomes = await many().finally(restore)
    assert.deepEqual(
      new Set(outcomes.map(({ reason, code }) => `${reason} ${code}`)),
      new Set(['local EMFILE', 'timeout null']),
    )
    assert.equal((await checkOnce(prober, '127.0.0.1', port)).reason, 'connected')
    assert.ok((await many()).every(({ reason }) => reason === 'timeout'))
    assert.equal(prober.restarts(), 0)
    await prober.close()
    assert.deepEqual(await leftOver(before), [])
  })

  test('a worker that dies when there is no file descriptor for another is replaced once there is', async (t) => {
    const before = openDescriptors()
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    await killWorker(prober, before, port)
    const restore = limitDescriptors(1)
    try {
      assert.equal((await checkOnce(prober, '127.0.0.1', port)).code, 'EWORKERDIED')
      // Long enough for an attempt, a second after the first start, to fail.
      await sleep(1300)
      assert.equal((await checkOnce(prober, '127.0.0.1', port)).code, 'EWORKERDIED')
    } finally {
      restore()
    }
    await untilConnected(prober)
    await prober.close()
    assert.deepEqual(await leftOver(before), [])
  })

  for (const [what, rule] of [
    ['drops', 'drop'],
    ['rejects', 'reject with icmpx port-unreachable'],
  ] as const) {
    test(`our own firewall that ${what} makes nothing down, and what it lets through again is up`, async () => {
      const prober = await makeKernel({ clock })
      sh(`${reject} ${rule}`)
      const { reason } = await checkOnce(prober, '127.0.0.1', port, 1500)
      sh('nft flush chain inet filter output')
      // Where this machine dials itself, a firewall that rejects may as well be the target's.
      if (what === 'drops') assert.equal(verdictOf(reason), 'unknown')
      else assert.equal(reason, 'rejected')
      assert.equal((await checkOnce(prober, '127.0.0.1', port)).reason, 'connected')
      await prober.close()
    })
  }
})

/** Makes the next `epoll_wait` of the prober's worker fail: puts another file in the place of its epoll descriptor. */
async function killWorker(prober: Prober, before: ReadonlyMap<number, string>, port: number): Promise<void> {
  // Tells it from the worker's own event loop: while a connection ends with FIN, it alone waits for a socket.
  assert.equal((await checkOnce(prober, '127.0.0.1', port, 2000, 'fin')).reason, 'connected')
  const open = openDescriptors()
  const isSocket = (fd: number) => open.get(fd)?.startsWith('socket:')
  const epolls = [...open].filter(
    ([fd, what]) => what === 'anon_inode:[eventpoll]' && !before.has(fd) && epollTargets(fd).some(isSocket),
  )
  assert.equal(epolls.length, 1)
  const other = openSync('/dev/null', 'r')
  const dup2 = koffi.load(null).func('int dup2(int, int)')
  assert.equal(dup2(other, epolls[0]?.[0]), epolls[0]?.[0])
  closeSync(other)
}

/** What a running prober holds besides sockets. */
const withoutSockets = (before: ReadonlyMap<number, string>) =>
  openedSince(before).filter((what) => !what.includes('socket:'))

/** What is still open that was not before. The server's side of a connection closes a moment after the prober's. */
async function leftOver(before: ReadonlyMap<number, string>): Promise<string[]> {
  const giveUpAt = clock.now() + 2000
  while (openedSince(before).length > 0 && clock.now() < giveUpAt) await sleep(10)
  return openedSince(before)
}

/** Lowers this process's limit of descriptors; returns what restores it. */
function limitDescriptors(limit: number): () => void {
  // Not by prlimit(1): no process can be started when there is no descriptor left.
  const RLIMIT_NOFILE = 7
  const set = koffi.load(null).func('int setrlimit(int, void *)')
  const limits = new BigUint64Array(2)
  assert.equal(koffi.load(null).func('int getrlimit(int, void *)')(RLIMIT_NOFILE, limits), 0)
  assert.equal(set(RLIMIT_NOFILE, BigUint64Array.of(BigInt(limit), limits[1] ?? 0n)), 0)
  return () => assert.equal(set(RLIMIT_NOFILE, limits), 0)
}
