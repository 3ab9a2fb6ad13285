import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'
import { verdictOf } from '../../../src/domain/check/outcome.ts'
import { awaitOutcome, type Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { enterNamespace, sh } from '../../support/namespace.ts'
import { checkOnce, targetOf } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'
import { epollTargets, openDescriptors, openedSince } from './descriptors.ts'

const skip = await enterNamespace(import.meta.filename)
const clock = systemClock()
const dropped = 81

describe('the kernel prober recovers', { skip }, () => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    // Delays the FIN, so that a check with close fin waits for a while.
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
    // Opens the descriptors that stay open for good, such as the library of koffi.
    await (await makeKernel({ clock })).close()
  })
  after(() => server.close())

  /** Checks until the worker is back: at once, or after one second if the last worker died young. */
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

  test('a worker that dies ends its checks as our own fault, is restarted and leaves nothing open', async (t) => {
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
    // The new worker has as many descriptors as the old one, and none of the old one is left.
    assert.equal(withoutSockets(before).length, whole.length)
    await prober.close()
    assert.deepEqual(await leftOver(before), [])
  })

  for (const [when, waitMs] of [
    ['before the next worker is started', 0],
    ['while the next worker starts', 1100],
  ] as const) {
    test(`close ${when} waits for the worker and leaves nothing open`, async (t) => {
      const before = openDescriptors()
      const prober = await makeKernel({ clock })
      t.after(prober.close)
      // A worker that dies young is replaced after one second, an older one at once.
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

  test('close does not touch descriptors that were opened later, even if it is called twice', async () => {
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

  test('too many checks for the file descriptors are our own fault, and the other checks run', async (t) => {
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

  test('a worker that dies without a free file descriptor is replaced once one is free', async (t) => {
    const before = openDescriptors()
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    await killWorker(prober, before, port)
    const restore = limitDescriptors(1)
    try {
      assert.equal((await checkOnce(prober, '127.0.0.1', port)).code, 'EWORKERDIED')
      // Waits for a restart, one second after the first start, to fail.
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
    test(`our own firewall that ${what} gives no false verdict, and the target is up afterwards`, async () => {
      const prober = await makeKernel({ clock })
      sh(`${reject} ${rule}`)
      const { reason } = await checkOnce(prober, '127.0.0.1', port, 1500)
      sh('nft flush chain inet filter output')
      // If this machine dials itself, a firewall that rejects may be that of the target.
      if (what === 'drops') assert.equal(verdictOf(reason), 'unknown')
      else assert.equal(reason, 'rejected')
      assert.equal((await checkOnce(prober, '127.0.0.1', port)).reason, 'connected')
      await prober.close()
    })
  }
})

/** Makes the next `epoll_wait` of the worker fail by putting another file in the place of its epoll descriptor. */
async function killWorker(prober: Prober, before: ReadonlyMap<number, string>, port: number): Promise<void> {
  // Tells this epoll instance from the event loop of the worker. While a connection ends with FIN, only this one waits for a socket.
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

/** Returns the descriptors of a running prober that are not sockets. */
const withoutSockets = (before: ReadonlyMap<number, string>) =>
  openedSince(before).filter((what) => !what.includes('socket:'))

/** Returns the descriptors that are still open but were not before. Waits, because the server closes a connection a moment after the prober. */
async function leftOver(before: ReadonlyMap<number, string>): Promise<string[]> {
  const giveUpAt = clock.now() + 2000
  while (openedSince(before).length > 0 && clock.now() < giveUpAt) await sleep(10)
  return openedSince(before)
}

/** Lowers the limit of descriptors of this process. Returns a function that restores it. */
function limitDescriptors(limit: number): () => void {
  // Not with prlimit(1), because no process can start without a free descriptor.
  const RLIMIT_NOFILE = 7
  const set = koffi.load(null).func('int setrlimit(int, void *)')
  const limits = new BigUint64Array(2)
  assert.equal(koffi.load(null).func('int getrlimit(int, void *)')(RLIMIT_NOFILE, limits), 0)
  assert.equal(set(RLIMIT_NOFILE, BigUint64Array.of(BigInt(limit), limits[1] ?? 0n)), 0)
  return () => assert.equal(set(RLIMIT_NOFILE, limits), 0)
}
