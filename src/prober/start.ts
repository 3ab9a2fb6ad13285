import { platform } from 'node:os'
import type { KernelParts } from './kernel/kernel.ts'
import { createResolver, type Resolver } from './lookup/resolver.ts'
import { createPortableProber } from './portable.ts'
import type { Prober } from './prober.ts'

/** The choice of the prober: `auto` is the kernel prober wherever it runs, otherwise the portable one. */
export type ProberChoice = 'auto' | Prober['name']

/** `maxExtraDials` limits the dials of further addresses beside the first dials of checks. Without a resolver it creates one. */
export type StartParts = Omit<KernelParts, 'resolver'> & { readonly resolver?: Resolver }

/**
 * Starts the chosen prober. Returns it with the reason of the choice, or a string that says why the chosen prober cannot run here.
 * The prober owns the resolver from here on, and closes it. Other code may use the resolver until then.
 */
export async function startProber(
  choice: ProberChoice,
  parts: StartParts,
): Promise<{ prober: Prober; why: string } | string> {
  const { clock, resolver = createResolver({ clock }), maxExtraDials } = parts
  const portable = (why: string) => ({ prober: createPortableProber({ clock, resolver, maxExtraDials }), why })
  if (choice === 'portable') return portable('PORTHOLE_PROBER asks for it')
  const started = await startKernel({ ...parts, resolver })
  if (typeof started !== 'string') return { prober: started, why: 'it runs here' }
  return choice === 'kernel' ? started : portable(`the kernel prober does not run here: ${started}`)
}

async function startKernel(parts: KernelParts): Promise<Prober | string> {
  if (platform() !== 'linux') return `it is for Linux, and this is ${platform()}`
  // A dynamic import, because the native library behind it exists for few systems.
  const { startKernelProber } = await import('./kernel/kernel.ts')
  return startKernelProber(parts)
}
