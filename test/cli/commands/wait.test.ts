import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '../../../src/cli/commands/wait.ts'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import type { CheckRequest, Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { sampleOutcome, sampleTarget } from '../../support/samples.ts'

const clock = systemClock()

/** Waits with a prober that answers each target's checks with these reasons, and then with the last of them. */
async function wait(reasons: Record<string, readonly [Reason, ...Reason[]]>, forMs: number, signal?: AbortSignal) {
  const requests: CheckRequest[] = []
  const tries = new Map<string, number>()
  const prober: Prober = {
    name: 'portable',
    check(request, ended) {
      const { name } = request.target
      requests.push(request)
      const turn = tries.get(name) ?? 0
      tries.set(name, turn + 1)
      const all = reasons[name] ?? ['other']
      setImmediate(() => ended(sampleOutcome(all[Math.min(turn, all.length - 1)] ?? 'other', 0)))
    },
    restarts: () => 0,
    close: async () => {},
  }
  const lines: string[] = []
  const missing = await waitFor(Object.keys(reasons).map(sampleTarget), {
    prober,
    clock,
    forMs,
    timeoutMs: 1000,
    close: 'fin',
    report: (line) => lines.push(line),
    ...(signal && { signal }),
  })
  const starts = lines.map((line) => /^\S+ (is \w+|could not)/.exec(line)?.[0])
  return { missing, starts, lines, requests, tries }
}

test('it returns when all targets are up, after a line for each change', async () => {
  const { missing, starts, requests } = await wait(
    { 'db:1': ['local', 'dns', 'dns', 'connected'], 'cache:2': ['connected'] },
    60_000,
  )
  assert.deepEqual(missing, [])
  assert.deepEqual(starts, ['db:1 could not', 'cache:2 is up', 'db:1 is down', 'db:1 is up'])
  assert.ok(requests.every(({ timeoutMs, close }) => timeoutMs === 1000 && close === 'fin'))
})

test('a target that was up must still be up in the end', async () => {
  const { missing, starts, tries } = await wait(
    {
      'db:1': ['connected', 'refused', 'connected'],
      'cache:2': ['refused', 'refused', 'refused', 'refused', 'connected'],
    },
    60_000,
  )
  assert.deepEqual(missing, [])
  assert.deepEqual(
    starts.filter((line) => line?.startsWith('db')),
    ['db:1 is up', 'db:1 is down', 'db:1 is up'],
  )
  assert.ok(Number(tries.get('db:1')) >= 3)
})

test('after its time it names each target that is not up, with the last sentence', async () => {
  const { missing, tries, requests } = await wait({ 'db:1': ['refused'], 'cache:2': ['connected'] }, 500)
  assert.deepEqual(missing.length, 1)
  assert.match(missing[0] ?? '', /^porthole: db:1 is not up after 500 ms: .*nothing listens on/)
  assert.ok(Number(tries.get('db:1')) >= 2)
  assert.ok(
    requests.every(({ timeoutMs }) => timeoutMs > 0 && timeoutMs <= 500),
    'no try goes past the end',
  )
})

test('a try that the end cuts short says nothing', async () => {
  const { missing, starts } = await wait({ 'db:1': ['refused', 'timeout'] }, 300)
  assert.deepEqual(starts, ['db:1 is down'])
  assert.match(missing[0] ?? '', /nothing listens on/)
})

test('a signal ends it', async () => {
  const signal = AbortSignal.timeout(100)
  const { missing } = await wait({ 'db:1': ['refused'] }, 600_000, signal)
  assert.equal(missing.length, 1)
})
