import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { targetAt } from '../../src/domain/target/target.ts'
import { createResolver } from '../../src/prober/lookup/resolver.ts'
import { awaitOutcome } from '../../src/prober/prober.ts'
import { type ProberChoice, startProber } from '../../src/prober/start.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { whyNoKernelProber } from './make-kernel.ts'

const noKernel = await whyNoKernelProber()

async function start(t: TestContext, choice: ProberChoice): Promise<[string, string]> {
  const started = await startProber(choice, { clock: systemClock() })
  assert.ok(typeof started !== 'string', String(started))
  t.after(() => started.prober.close())
  return [started.prober.name, started.why]
}

test('auto starts the kernel prober where it runs', { skip: noKernel }, async (t) => {
  assert.deepEqual(await start(t, 'auto'), ['kernel', 'it runs here'])
  assert.deepEqual(await start(t, 'kernel'), ['kernel', 'it runs here'])
})

test('a prober uses the given resolver and closes it', async () => {
  const asked: string[] = []
  const lookup = async (host: string) => {
    asked.push(host)
    return []
  }
  const clock = systemClock()
  const resolver = createResolver({ clock, lookup })
  const started = await startProber('auto', { clock, resolver })
  assert.ok(typeof started !== 'string', String(started))
  const request = { target: targetAt('db', 1), timeoutMs: 60_000, close: 'rst', urgent: true } as const
  assert.equal((await awaitOutcome(started.prober, request))?.reason, 'dns')
  assert.deepEqual(asked, ['db'])
  await started.prober.close()
  assert.equal(await resolver.resolve('other', clock.now() + 60_000), null)
})

test('the portable prober runs everywhere', async (t) => {
  assert.deepEqual(await start(t, 'portable'), ['portable', 'PORTHOLE_PROBER asks for it'])
})
