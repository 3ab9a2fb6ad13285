import { platform } from 'node:os'
import type { Clock } from '../clock.ts'
import type { KernelParts } from './kernel/kernel.ts'
import { createPortableProber } from './portable.ts'
import type { Prober } from './prober.ts'
import { createResolver, type Resolver } from './resolver.ts'

/** Which prober is wanted: `auto` is the kernel prober wherever it runs, else the portable one. */
export type ProberChoice = 'auto' | Prober['name']

/**
 * Starts the prober that is wanted, and tells why it is this one; a string says why the one that is wanted cannot run here.
 * The resolver belongs to the prober from here on, and is closed with it; others may ask it until then. `maxExtraDials` bounds the dials of
 * further addresses that run beside the first dials of checks.
 */
export async function startProber(
  choice: ProberChoice,
  clock: Clock,
  resolver: Resolver = createResolver({ clock }),
  suspendedMs?: () => number,
  maxExtraDials?: number,
): Promise<{ prober: Prober; why: string } | string> {
  const portable = (why: string) => ({ prober: createPortableProber({ clock, resolver, maxExtraDials }), why })
  if (choice === 'portable') return portable('PORTHOLE_PROBER asks for it')
  const started = await startKernel({ clock, resolver, suspendedMs, maxExtraDials })
  if (typeof started !== 'string') return { prober: started, why: 'it runs here' }
  return choice === 'kernel' ? started : portable(`the kernel prober does not run here: ${started}`)
}

async function startKernel(parts: KernelParts): Promise<Prober | string> {
  if (platform() !== 'linux') return `it is for Linux, and this is ${platform()}`
  // Loaded only here: what it loads exists for few systems.
  const { startKernelProber } = await import('./kernel/kernel.ts')
  return startKernelProber(parts)
}
