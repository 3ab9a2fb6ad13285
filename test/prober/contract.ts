import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import type { Outcome } from '../../src/domain/check/outcome.ts'
import type { Close } from '../../src/domain/service/policy-settings.ts'
import { createDialRules, type DialRules } from '../../src/domain/target/dial-rules.ts'
import { type Target, targetAt } from '../../src/domain/target/target.ts'
import type { Lookup } from '../../src/prober/lookup/resolver.ts'
import { awaitOutcome, type Prober } from '../../src/prober/prober.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'

/** Builds the prober under test. Without `lookup` it uses the look-up of the system. */
export type MakeProber = (parts: { readonly clock: Clock; readonly lookup?: Lookup }) => Prober | Promise<Prober>

export const targetOf = (host: string, port: number): Target => targetAt(host, port)

/** Checks once. Fails if the prober closes during the check. */
export async function checkOnce(
  prober: Prober,
  host: string,
  port: number,
  timeoutMs = 2000,
  close: Close = 'rst',
  rules: DialRules | null = null,
): Promise<Outcome> {
  const outcome = await awaitOutcome(prober, { target: targetOf(host, port), timeoutMs, close, urgent: true, rules })
  assert.ok(outcome, 'the prober was not closed')
  return outcome
}

const hasIPv6 = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .some(({ address }) => address === '::1')

const failing = (code: string) => () => Promise.reject(Object.assign(new Error('look-up failed'), { code }))

/** The contract of every prober, as far as loopback can show it. */
export function proberContract(name: string, makeProber: MakeProber): void {
  const clock = systemClock()
  const build = async (t: TestContext, lookup?: Lookup) => {
    const prober = await makeProber({ clock, ...(lookup && { lookup }) })
    t.after(() => prober.close())
    return prober
  }

  for (const ip of ['127.0.0.1', '::1']) {
    const skip = ip === '::1' && !hasIPv6 && 'this machine has no IPv6 loopback address'

    test(`${name}: connects to a listener on ${ip} and returns address, latency and times`, { skip }, async (t) => {
      const port = await listen(t, ip)
      const before = clock.now()
      const outcome = await checkOnce(await build(t), ip, port)
      const { startedAt, endedAt, latencyMs, synRetransmits, answer, ...rest } = outcome
      const address = ip === '::1' ? `[::1]:${port}` : `127.0.0.1:${port}`
      assert.deepEqual(rest, {
        reason: 'connected',
        address,
        icmp: null,
        code: null,
        note: null,
        lookupMs: null,
        lookupFailedSince: null,
      })
      assert.ok(answer === null || answer === 'syn-ack')
      assert.ok(synRetransmits === null || synRetransmits === 0)
      assert.ok(before <= startedAt && startedAt <= endedAt && endedAt <= clock.now())
      assert.ok(latencyMs !== null && latencyMs > 0 && latencyMs <= endedAt - startedAt)
    })

    test(`${name}: a closed port of ${ip} is refused, with a latency`, { skip }, async (t) => {
      const { reason, code, latencyMs, endedAt, startedAt } = await checkOnce(await build(t), ip, 1)
      assert.deepEqual([reason, code], ['refused', 'ECONNREFUSED'])
      assert.ok(latencyMs !== null && latencyMs > 0 && latencyMs <= endedAt - startedAt)
    })
  }

  for (const close of ['half-open', 'rst', 'fin'] as const) {
    test(`${name}: a listener that resets what it accepts is always connected, with close ${close}`, async (t) => {
      const prober = await build(t)
      for (const ip of hasIPv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
        const port = await listenAndReset(t, ip)
        const found = new Map<string, number>()
        for (let check = 0; check < 100; check++) {
          const outcome = await checkOnce(prober, ip, port, 2000, close)
          const { reason, answer, code, latencyMs, startedAt, endedAt } = outcome
          found.set(reason, (found.get(reason) ?? 0) + 1)
          assert.ok(latencyMs !== null && latencyMs > 0 && latencyMs <= endedAt - startedAt)
          assert.ok(answer === null || answer === 'syn-ack')
          // The code is set if the check saw the reset, and null if the check ended first.
          assert.ok(code === null || code === 'ECONNRESET' || code === 'EPIPE', `${code}`)
        }
        t.diagnostic(`${ip}: ${JSON.stringify(Object.fromEntries(found))}`)
        assert.deepEqual([...found], [['connected', 100]])
      }
    })
  }

  test(`${name}: the first address of a name that connects counts`, async (t) => {
    const port = await listen(t, '127.0.0.1')
    const asked: string[] = []
    const prober = await build(t, (host) => {
      asked.push(host)
      return Promise.resolve(host === 'good' ? ['127.0.0.1', '127.0.0.2'] : ['127.0.0.2', '127.0.0.1'])
    })
    const good = await checkOnce(prober, 'good', port)
    const bad = await checkOnce(prober, 'bad', port)
    assert.deepEqual([good.reason, good.address], ['connected', `127.0.0.1:${port}`])
    assert.deepEqual([bad.reason, bad.address, bad.note], ['connected', `127.0.0.1:${port}`, null])
    assert.deepEqual(asked, ['good', 'bad'])
  })

  test(`${name}: if no address connects, the outcome has the reason of the first address and a note about the others`, async (t) => {
    const prober = await build(t, () => Promise.resolve(['127.0.0.2', '127.0.0.1', '127.0.0.3']))
    const { reason, address, note, startedAt, endedAt } = await checkOnce(prober, 'db', 1)
    assert.deepEqual([reason, address], ['refused', '127.0.0.2:1'])
    assert.match(
      note ?? '',
      /^127\.0\.0\.1:1: (nothing listens \(RST|refused) in [\d.]+ ms\)?; 127\.0\.0\.3:1: (nothing listens \(RST|refused) in [\d.]+ ms\)?$/,
    )
    assert.ok(startedAt <= endedAt && endedAt <= clock.now())
  })

  test(`${name}: a denied address ends the attempt, and the check is denied`, async (t) => {
    let accepted = 0
    const port = await listen(t, '127.0.0.3', () => accepted++)
    const prober = await build(t, () => Promise.resolve(['127.0.0.1', '127.0.0.2', '127.0.0.3']))
    const rules = createDialRules({ loopback: true, deny: ['127.0.0.2'] })
    const { reason, address, code, note } = await checkOnce(prober, 'db', port, 2000, 'rst', rules)
    assert.deepEqual([reason, address, code], ['denied', `127.0.0.2:${port}`, 'dial.deny 127.0.0.2'])
    assert.match(note ?? '', /^127\.0\.0\.1:\d+: /)
    assert.equal(accepted, 0)
  })

  test(`${name}: a literal address is not looked up`, async (t) => {
    const prober = await build(t, () => assert.fail('looked up'))
    assert.equal((await checkOnce(prober, '127.0.0.1', 1)).reason, 'refused')
    if (hasIPv6) assert.equal((await checkOnce(prober, '::1', 1)).reason, 'refused')
  })

  test(`${name}: a name that does not exist or has no address is dns`, async (t) => {
    for (const lookup of [failing('ENOTFOUND'), () => Promise.resolve([])]) {
      const { reason, code, address, latencyMs } = await checkOnce(await build(t, lookup), 'db', 5432)
      assert.deepEqual([reason, code, address, latencyMs], ['dns', 'ENOTFOUND', null, null])
    }
  })

  test(`${name}: a look-up that fails with another error is our own fault`, async (t) => {
    for (const code of ['EAI_AGAIN', 'EAI_FAIL', 'EMFILE', 'ESOMETHINGNEW']) {
      const outcome = await checkOnce(await build(t, failing(code)), 'db', 5432)
      assert.deepEqual([outcome.reason, outcome.code, outcome.address], ['local', code, null])
    }
  })

  test(`${name}: a resolver that is silent until the deadline is our own fault, and the check ends in time`, async (t) => {
    const outcome = await checkOnce(await build(t, () => new Promise(() => {})), 'db', 5432, 100)
    assert.deepEqual([outcome.reason, outcome.code, outcome.address], ['local', null, null])
    assertOnTime(outcome, 100)
  })

  test(`${name}: a denied address is not dialled, and the outcome has the address and the rule`, async (t) => {
    let accepted = 0
    const arrived = Promise.withResolvers<void>()
    // Addresses of this test alone: a client of another test may still dial a port of 127.0.0.1 that was given back.
    const [denied, allowed] = ['127.0.77.1', '127.0.77.2']
    const port = await listen(t, denied, () => {
      accepted++
      arrived.resolve()
    })
    const prober = await build(t, () => Promise.resolve([denied, allowed]))
    const rules = createDialRules({ loopback: true, deny: [denied] })
    for (const host of [denied, 'db']) {
      const { startedAt, endedAt, lookupMs, ...rest } = await checkOnce(prober, host, port, 2000, 'rst', rules)
      assert.equal(lookupMs === null, host !== 'db', 'only a name is looked up')
      const nothing = {
        latencyMs: null,
        synRetransmits: null,
        answer: null,
        icmp: null,
        note: null,
        lookupFailedSince: null,
      }
      const address = `${denied}:${port}`
      assert.deepEqual(rest, { reason: 'denied', address, code: `dial.deny ${denied}`, ...nothing })
      assert.ok(startedAt <= endedAt && endedAt <= clock.now())
    }
    const other = createDialRules({ loopback: true, deny: [allowed] })
    assert.equal((await checkOnce(prober, 'db', port, 2000, 'rst', other)).reason, 'connected')
    await arrived.promise
    assert.equal(accepted, 1, 'only what was allowed was dialled')
  })

  test(`${name}: the callback for a denied address runs after the call has returned`, async (t) => {
    const prober = await build(t)
    const rules = createDialRules({})
    const ended = Promise.withResolvers<Outcome | undefined>()
    let hasReturned = false
    const target = targetOf('127.0.0.1', 1)
    prober.check({ target, timeoutMs: 1000, close: 'rst', urgent: true, rules }, (outcome) => {
      assert.ok(hasReturned)
      ended.resolve(outcome)
    })
    hasReturned = true
    assert.equal((await ended.promise)?.reason, 'denied')
  })

  test(`${name}: close fin ends a connection with FIN`, async (t) => {
    assert.deepEqual(await dialResultSeen(t, await build(t), 'fin', ''), 'FIN')
  })

  test(`${name}: close fin ends with FIN even if the peer sent bytes first`, async (t) => {
    assert.deepEqual(await dialResultSeen(t, await build(t), 'fin', 'SSH-2.0-OpenSSH_9.2p1\r\n'), 'FIN')
  })

  test(`${name}: close rst ends a connection with RST`, async (t) => {
    assert.deepEqual(await dialResultSeen(t, await build(t), 'rst', ''), 'RST')
  })

  test(`${name}: a close ends checks in flight at once, during a look-up or a dial`, async (t) => {
    const port = await listen(t, '127.0.0.1')
    const silent = await build(t, () => new Promise(() => {}))
    const resolving = awaitOutcome(silent, {
      target: targetOf('db', 5432),
      timeoutMs: 60_000,
      close: 'rst',
      urgent: true,
    })
    const dialling = awaitOutcome(silent, {
      target: targetOf('127.0.0.1', port),
      timeoutMs: 60_000,
      close: 'fin',
      urgent: true,
    })
    const closedAt = clock.now()
    await silent.close()
    assert.deepEqual(await Promise.all([resolving, dialling]), [undefined, undefined])
    assert.ok(clock.now() - closedAt < 1000)
    assert.equal(
      await awaitOutcome(silent, { target: targetOf('127.0.0.1', port), timeoutMs: 1000, close: 'rst', urgent: true }),
      undefined,
    )
    await silent.close()
  })
}

/** Asserts that a check did not end before its deadline. bench:deadlines measures how much later checks end. */
export function assertOnTime({ startedAt, endedAt }: Outcome, timeoutMs: number): void {
  const took = endedAt - startedAt
  // A timer may fire up to a millisecond early.
  assert.ok(took >= timeoutMs - 1.5, `ended after ${took} ms, the timeout was ${timeoutMs} ms`)
}

/** Starts a listener until the test is over. Returns its port. */
export async function listen(t: TestContext, ip: string, accept: (socket: Socket) => void = () => {}): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    accept(socket)
  })
  server.listen(0, ip)
  t.after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Returns the program of a listener that resets every connection that it accepts at once. The program prints its port. */
export const resetProgram = (ip: string, port = 0) => `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).resetAndDestroy())
  server.listen({ port: ${port}, host: '${ip}' }, () => console.log(server.address().port))
  process.stdin.on('end', () => process.exit()).resume()`

/** Starts a listener that resets every connection, in its own process so that it races the prober, until the test is over. Returns its port. */
async function listenAndReset(t: TestContext, ip: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', resetProgram(ip)], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(async () => {
    child.stdin.end()
    await once(child, 'exit')
  })
  const [text] = await once(child.stdout, 'data')
  return Number(text)
}

/** Returns how the connection of a check ends for its peer. */
export async function dialResultSeen(
  t: TestContext,
  prober: Prober,
  close: Close,
  banner: string,
): Promise<'FIN' | 'RST'> {
  const seen = Promise.withResolvers<'FIN' | 'RST'>()
  const port = await listen(t, '127.0.0.1', (socket) => {
    socket.write(banner)
    socket.once('end', () => seen.resolve('FIN'))
    socket.once('error', () => seen.resolve('RST'))
    socket.resume()
  })
  assert.equal((await checkOnce(prober, '127.0.0.1', port, 2000, close)).reason, 'connected')
  return seen.promise
}
