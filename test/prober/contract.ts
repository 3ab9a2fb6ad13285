import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { type Clock, systemClock } from '../../src/clock.ts'
import { createDialRules, type DialRules } from '../../src/domain/dial-rules.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import type { Close } from '../../src/domain/policy-settings.ts'
import { type Target, targetAt } from '../../src/domain/target.ts'
import { awaitOutcome, type Prober } from '../../src/prober/prober.ts'
import type { Lookup } from '../../src/prober/resolver.ts'

/** Builds the prober under test; without a look-up it asks the system. */
export type MakeProber = (parts: { readonly clock: Clock; readonly lookup?: Lookup }) => Prober | Promise<Prober>

export const targetOf = (host: string, port: number): Target => targetAt(host, port)

/** Checks once; fails when the prober was closed meanwhile. */
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

/** What every prober must do, as far as loopback can show it. */
export function proberContract(name: string, makeProber: MakeProber): void {
  const clock = systemClock()
  const build = async (t: TestContext, lookup?: Lookup) => {
    const prober = await makeProber({ clock, ...(lookup && { lookup }) })
    t.after(() => prober.close())
    return prober
  }

  for (const ip of ['127.0.0.1', '::1']) {
    const skip = ip === '::1' && !hasIPv6 && 'this machine has no IPv6 loopback address'

    test(`${name}: connects to a listener on ${ip} and tells address, latency and times`, { skip }, async (t) => {
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

    test(`${name}: is refused by a closed port of ${ip}, with the time it took`, { skip }, async (t) => {
      const { reason, code, latencyMs, endedAt, startedAt } = await checkOnce(await build(t), ip, 1)
      assert.deepEqual([reason, code], ['refused', 'ECONNREFUSED'])
      assert.ok(latencyMs !== null && latencyMs > 0 && latencyMs <= endedAt - startedAt)
    })
  }

  for (const close of ['half-open', 'rst', 'fin'] as const) {
    test(`${name}: a listener that resets what it accepts is connected every time, ending with ${close}`, async (t) => {
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
          // Where the check saw the reset, advice speaks of it; where it ended first, nothing is known of it.
          assert.ok(code === null || code === 'ECONNRESET' || code === 'EPIPE', `${code}`)
        }
        t.diagnostic(`${ip}: ${JSON.stringify(Object.fromEntries(found))}`)
        assert.deepEqual([...found], [['connected', 100]])
      }
    })
  }

  test(`${name}: checks the first address of a name that connects`, async (t) => {
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

  test(`${name}: tells the reason of the first address, and what came of the others, where none connects`, async (t) => {
    const prober = await build(t, () => Promise.resolve(['127.0.0.2', '127.0.0.1', '127.0.0.3']))
    const { reason, address, note, startedAt, endedAt } = await checkOnce(prober, 'db', 1)
    assert.deepEqual([reason, address], ['refused', '127.0.0.2:1'])
    assert.match(
      note ?? '',
      /^127\.0\.0\.1:1: (nothing listens \(RST|refused) in [\d.]+ ms\)?; 127\.0\.0\.3:1: (nothing listens \(RST|refused) in [\d.]+ ms\)?$/,
    )
    assert.ok(startedAt <= endedAt && endedAt <= clock.now())
  })

  test(`${name}: an address that is denied ends the attempt, and cannot be judged`, async (t) => {
    let accepted = 0
    const port = await listen(t, '127.0.0.3', () => accepted++)
    const prober = await build(t, () => Promise.resolve(['127.0.0.1', '127.0.0.2', '127.0.0.3']))
    const rules = createDialRules({ loopback: true, deny: ['127.0.0.2'] })
    const { reason, address, code, note } = await checkOnce(prober, 'db', port, 2000, 'rst', rules)
    assert.deepEqual([reason, address, code], ['denied', `127.0.0.2:${port}`, 'dial.deny 127.0.0.2'])
    assert.match(note ?? '', /^127\.0\.0\.1:\d+: /)
    assert.equal(accepted, 0)
  })

  test(`${name}: looks no literal address up`, async (t) => {
    const prober = await build(t, () => assert.fail('looked up'))
    assert.equal((await checkOnce(prober, '127.0.0.1', 1)).reason, 'refused')
    if (hasIPv6) assert.equal((await checkOnce(prober, '::1', 1)).reason, 'refused')
  })

  test(`${name}: a name that does not exist, or has no address, is the target's fault`, async (t) => {
    for (const lookup of [failing('ENOTFOUND'), () => Promise.resolve([])]) {
      const { reason, code, address, latencyMs } = await checkOnce(await build(t, lookup), 'db', 5432)
      assert.deepEqual([reason, code, address, latencyMs], ['dns', 'ENOTFOUND', null, null])
    }
  })

  test(`${name}: a look-up that fails in any other way is our own fault`, async (t) => {
    for (const code of ['EAI_AGAIN', 'EAI_FAIL', 'EMFILE', 'ESOMETHINGNEW']) {
      const outcome = await checkOnce(await build(t, failing(code)), 'db', 5432)
      assert.deepEqual([outcome.reason, outcome.code, outcome.address], ['local', code, null])
    }
  })

  test(`${name}: a resolver silent until the deadline is our own fault, and the deadline holds`, async (t) => {
    const outcome = await checkOnce(await build(t, () => new Promise(() => {})), 'db', 5432, 100)
    assert.deepEqual([outcome.reason, outcome.code, outcome.address], ['local', null, null])
    assertOnTime(outcome, 100)
  })

  test(`${name}: does not dial what the rules deny, and tells the address and the rule`, async (t) => {
    let accepted = 0
    const arrived = Promise.withResolvers<void>()
    const port = await listen(t, '127.0.0.1', () => {
      accepted++
      arrived.resolve()
    })
    const prober = await build(t, () => Promise.resolve(['127.0.0.1', '127.0.0.2']))
    const rules = createDialRules({ loopback: true, deny: ['127.0.0.1'] })
    for (const host of ['127.0.0.1', 'db']) {
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
      const address = `127.0.0.1:${port}`
      assert.deepEqual(rest, { reason: 'denied', address, code: 'dial.deny 127.0.0.1', ...nothing })
      assert.ok(startedAt <= endedAt && endedAt <= clock.now())
    }
    const other = createDialRules({ loopback: true, deny: ['127.0.0.2'] })
    assert.equal((await checkOnce(prober, 'db', port, 2000, 'rst', other)).reason, 'connected')
    await arrived.promise
    assert.equal(accepted, 1, 'only what was allowed was dialled')
  })

  test(`${name}: tells of a denial only after the call has returned`, async (t) => {
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

  test(`${name}: ends a connection with FIN when asked to`, async (t) => {
    assert.deepEqual(await endingSeen(t, await build(t), 'fin', ''), 'FIN')
  })

  test(`${name}: ends with FIN even when the peer spoke first and nobody read it`, async (t) => {
    assert.deepEqual(await endingSeen(t, await build(t), 'fin', 'SSH-2.0-OpenSSH_9.2p1\r\n'), 'FIN')
  })

  test(`${name}: ends a connection with RST when asked to`, async (t) => {
    assert.deepEqual(await endingSeen(t, await build(t), 'rst', ''), 'RST')
  })

  test(`${name}: close abandons what is in flight, at once, whether it resolves or dials`, async (t) => {
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

/** A check that its own deadline ended: not before. How long after is measured by bench:deadlines. */
export function assertOnTime({ startedAt, endedAt }: Outcome, timeoutMs: number): void {
  const took = endedAt - startedAt
  // A timer may fire up to a millisecond early.
  assert.ok(took >= timeoutMs - 1.5, `ended after ${took} ms, the timeout was ${timeoutMs} ms`)
}

/** Listens until the test is over; returns the port. */
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

/** The program of a listener that resets every connection as soon as it has accepted it; it prints its port. */
export const resetProgram = (ip: string, port = 0) => `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).resetAndDestroy())
  server.listen({ port: ${port}, host: '${ip}' }, () => console.log(server.address().port))
  process.stdin.on('end', () => process.exit()).resume()`

/** Resets what it accepts, in a process of its own so that it races the prober, until the test is over; returns the port. */
async function listenAndReset(t: TestContext, ip: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', resetProgram(ip)], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(async () => {
    child.stdin.end()
    await once(child, 'exit')
  })
  const [text] = await once(child.stdout, 'data')
  return Number(text)
}

/** How the peer of a check sees its connection end. */
export async function endingSeen(t: TestContext, prober: Prober, close: Close, banner: string): Promise<'FIN' | 'RST'> {
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
