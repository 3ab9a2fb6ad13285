import { z } from 'zod'

/** What may be dialled for services that are registered over HTTP, as written. */
export const DialSettings = z.strictObject({
  allow: z.array(z.string()).optional(),
  deny: z.array(z.string()).optional(),
  loopback: z.boolean().optional(),
  private: z.boolean().optional(),
})
export type DialSettings = z.infer<typeof DialSettings>

/** Which literal addresses may be dialled. */
export type DialRules = {
  /** The rule that denies an IP, as outcomes name it; null when it may be dialled. */
  denial(ip: string): string | null
}

export function createDialRules(_settings: DialSettings): DialRules {
  return { denial: () => null }
}
