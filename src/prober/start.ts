import { platform } from 'node:os'
import type { Clock } from '../clock.ts'
import { createPortableProber } from './portable.ts'
import type { Prober } from './prober.ts'
import { createResolver, type Resolver } from './resolver.ts'

/** Which prober is wanted: `auto` is the kernel prober wherever it runs, else the portable one. */
export type ProberChoice = 'auto' | Prober['name']

/**
 * Starts the prober that is wanted, and tells why it is this one; a string says why the one that is wanted cannot run here.
 * The resolver belongs to the prober from here on, and is closed with it; others may ask it until then.
 */
export async function startProber(
  choice: ProberChoice,
  clock: Clock,
  resolver: Resolver = createResolver({ clock }),
  suspendedMs?: () => number,
): Promise<{ prober: Prober; why: string } | string> {
  const portable = (why: string) => ({ prober: createPortableProber({ clock, resolver }), why })
  if (choice === 'portable') return portable('PORTHOLE_PROBER asks for it')
  const started = await startKernel(clock, resolver, suspendedMs)
  if (typeof started !== 'string') return { prober: started, why: 'it runs here' }
  return choice === 'kernel' ? started : portable(`the kernel prober does not run here: ${started}`)
}

async function startKernel(clock: Clock, resolver: Resolver, suspendedMs = () => 0): Promise<Prober | string> {
  if (platform() !== 'linux') return `it is for Linux, and this is ${platform()}`
  // Loaded only here: what it loads exists for few systems.
  const { startKernelProber } = await import('./kernel/kernel.ts')
  return startKernelProber({ clock, resolver, suspendedMs })
}
