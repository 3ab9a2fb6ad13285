import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/clock.ts'
import { type ProberChoice, startProber } from '../../src/prober/start.ts'
import { whyNoKernelProber } from './make-kernel.ts'

const noKernel = await whyNoKernelProber()

async function start(t: TestContext, choice: ProberChoice): Promise<[string, string]> {
  const started = await startProber(choice, systemClock())
  assert.ok(typeof started !== 'string', String(started))
  t.after(() => started.prober.close())
  return [started.prober.name, started.why]
}

test('auto is the kernel prober where it runs', { skip: noKernel }, async (t) => {
  assert.deepEqual(await start(t, 'auto'), ['kernel', 'it runs here'])
  assert.deepEqual(await start(t, 'kernel'), ['kernel', 'it runs here'])
})

test('the portable prober is to be had everywhere', async (t) => {
  assert.deepEqual(await start(t, 'portable'), ['portable', 'PORTHOLE_PROBER asks for it'])
})
