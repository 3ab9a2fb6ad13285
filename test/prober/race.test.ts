import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome, Reason } from '../../src/domain/check/outcome.ts'
import type { CheckRequest } from '../../src/prober/prober.ts'
import { createRacer } from '../../src/prober/race.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { sampleOutcome, sampleTarget } from '../support/samples.ts'

const system = systemClock()
const [first, second, third] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const
const addresses = [first, second, third]
const request = (name = 'db:5432', timeoutMs = 60_000): CheckRequest => ({
  target: sampleTarget(name),
  timeoutMs,
  close: 'rst',
  urgent: true,
})

/** Builds a racer whose dials end when the test says so, or at once with the result in `ends`. */
function build(clock: Clock = system, ends: Record<string, Reason> = {}, maxExtraDials?: number) {
  const dialled: string[] = []
  const cancelled: string[] = []
  const underWay = new Map<string, (reason: Reason | undefined) => void>()
  const racer = createRacer<string>({
    clock,
    maxExtraDials,
    dial(ip, _request, startedAt, _deadline, ended) {
      dialled.push(ip)
      const end = (reason: Reason | undefined) => {
        underWay.delete(ip)
        ended(reason && sampleOutcome(reason, clock.now(), { startedAt, address: `${ip}:5432` }))
      }
      underWay.set(ip, end)
      const reason = ends[ip]
      if (reason !== undefined) queueMicrotask(() => end(reason))
      return ip
    },
    cancel: (ip) => void cancelled.push(ip),
  })
  const race = (of: CheckRequest = request()) => {
    let outcome: Outcome | undefined | null = null
    const ended = new Promise<Outcome | undefined>((done) => {
      racer.race(addresses, of, clock.now(), (found) => {
        assert.equal(outcome, null, 'a race ends once')
        outcome = found
        done(found)
      })
    })
    return ended
  }
  const until = async (count: number) => {
    while (dialled.length < count) await new Promise((done) => setTimeout(done, 5))
  }
  return { race, dialled, cancelled, underWay, until }
}

test('if the first address connects, no other address is dialled', async () => {
  const { race, dialled, cancelled } = build(system, { [first]: 'connected' })
  const outcome = await race()
  assert.deepEqual([outcome?.reason, outcome?.address, outcome?.note], ['connected', `${first}:5432`, null])
  assert.deepEqual([dialled, cancelled], [[first], []])
})

test('the next address is dialled as soon as the one before has failed', async () => {
  const { race, dialled } = build(system, { [first]: 'refused', [second]: 'refused', [third]: 'connected' })
  assert.equal((await race())?.address, `${third}:5432`)
  assert.deepEqual(dialled, addresses)
})

test('the next address is dialled while the one before is silent, and the earlier dial may still connect', async () => {
  const { race, dialled, cancelled, underWay, until } = build()
  const ended = race()
  await until(2)
  underWay.get(first)?.('connected')
  assert.equal((await ended)?.address, `${first}:5432`)
  assert.deepEqual([dialled, cancelled], [[first, second], [second]])
})

test('the other dials are cancelled once one connects', async () => {
  const { race, cancelled, underWay, until } = build()
  const ended = race()
  await until(3)
  underWay.get(second)?.('refused')
  underWay.get(third)?.('connected')
  assert.equal((await ended)?.address, `${third}:5432`)
  assert.deepEqual(cancelled, [first])
})

test('an address waits while the races together have the allowed number of extra dials', async () => {
  const { race, dialled, underWay, until } = build(system, {}, 1)
  const ended = race()
  await until(2)
  const other = race(request('other:5432'))
  // Waits long enough for each race to try several more dials.
  await new Promise((done) => setTimeout(done, 600))
  assert.deepEqual(dialled, [first, second, first])
  underWay.get(second)?.('connected')
  assert.equal((await ended)?.address, `${second}:5432`)
  await until(4)
  underWay.get(second)?.('connected')
  assert.equal((await other)?.address, `${second}:5432`)
})

test('without extra dials an address is dialled after the one before has failed, and none after the deadline', async () => {
  let now = 0
  const clock: Clock = { ...system, now: () => now }
  const { race, dialled, underWay } = build(clock, {}, 0)
  const ended = race()
  underWay.get(first)?.('refused')
  underWay.get(second)?.('refused')
  assert.deepEqual(dialled, [first, second, third])
  underWay.get(third)?.('refused')
  assert.equal((await ended)?.reason, 'refused')

  const late = race()
  now = 60_000
  underWay.get(first)?.('timeout')
  assert.equal((await late)?.reason, 'timeout')
  assert.deepEqual(dialled.slice(3), [first])
})

test('the result of a dial after the end of the race is ignored', async () => {
  const { race, underWay, until } = build()
  const ended = race()
  await until(2)
  underWay.get(second)?.('connected')
  await ended
  underWay.get(first)?.('connected')
  underWay.get(first)?.(undefined)
})

test('the race ends without an outcome when the prober closes', async () => {
  const { race, underWay, until } = build()
  const ended = race()
  await until(1)
  underWay.get(first)?.(undefined)
  assert.equal(await ended, undefined)
})

test('every address gets its turn within a short timeout', async () => {
  const { race, until, underWay } = build()
  const ended = race(request('db:5432', 100))
  await until(3)
  for (const end of [...underWay.values()]) end('timeout')
  assert.equal((await ended)?.reason, 'timeout')
})

test('the address that connected last goes first for ten minutes, for this target only', async () => {
  let now = 0
  const clock: Clock = { ...system, now: () => now }
  const ends: Record<string, Reason> = { [first]: 'refused', [second]: 'connected' }
  const { race, dialled } = build(clock, ends)
  await race()
  now = 9 * 60_000
  await race()
  assert.deepEqual(dialled.splice(0), [first, second, second])
  await race(request('db:5433'))
  assert.deepEqual(dialled.splice(0), [first, second])
  now = 10 * 60_000
  await race()
  assert.deepEqual(dialled.splice(0), [first, second])
})

test('the order of the system applies again once its first address connects', async () => {
  const ends: Record<string, Reason> = { [first]: 'refused', [second]: 'connected' }
  const { race, dialled } = build(system, ends)
  await race()
  Object.assign(ends, { [first]: 'connected', [second]: 'refused' })
  await race()
  await race()
  assert.deepEqual(dialled, [first, second, second, first, first])
})

test('the result of every address is reported in the order of the dials', async () => {
  const lines: string[] = []
  const { race } = build(system, { [first]: 'refused', [second]: 'connected' })
  await race({ ...request(), onAddress: (line) => lines.push(line) })
  assert.deepEqual(lines, [
    '10.0.0.1:5432: refused in 0.00 ms',
    '10.0.0.2:5432: connected in 0.50 ms',
    '10.0.0.3:5432: not dialled',
  ])
})
