import assert from 'node:assert/strict'
import { startKernelProber } from '../../src/prober/kernel/kernel.ts'
import { createResolver } from '../../src/prober/lookup/resolver.ts'
import type { Prober } from '../../src/prober/prober.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { MakeProber } from './contract.ts'

/** Starts a kernel prober. Rejects where it cannot run. */
export const makeKernel: MakeProber = (parts) => make(parts, false)

/** Starts a kernel prober whose dial loop runs on this thread. Rejects where it cannot run. */
export const makeKernelOnThisThread: MakeProber = (parts) => make(parts, true)

async function make({ clock, lookup }: Parameters<MakeProber>[0], onCallingThread: boolean): Promise<Prober> {
  const resolver = createResolver({ clock, ...(lookup && { lookup }) })
  const prober = await startKernelProber({ clock, resolver, onCallingThread })
  assert.ok(typeof prober !== 'string', `the kernel prober does not start: ${prober}`)
  return prober
}

/** Returns false where the kernel prober runs, otherwise the reason, as the `skip` of tests. */
export async function whyNoKernelProber(): Promise<false | string> {
  if (process.platform !== 'linux') return 'the kernel prober is for Linux'
  const clock = systemClock()
  const prober = await startKernelProber({ clock, resolver: createResolver({ clock }) })
  if (typeof prober === 'string') return `the kernel prober does not start: ${prober}`
  await prober.close()
  return false
}
