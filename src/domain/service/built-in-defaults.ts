import type { PolicyFieldName, PolicySettings } from './policy-settings.ts'

/** How a check ends its connection: before the handshake completes, with RST, or with FIN. */
export const closeModes = ['half-open', 'rst', 'fin'] as const

const second = 1000

/** The settings of a policy that apply where neither the service nor `defaults` has them. Durations are in milliseconds. */
const values = {
  interval: 10 * second,
  timeout: 2 * second,
  rise: 2,
  fall: 3,
  maxAge: 5 * second,
  minAge: second,
  close: 'half-open',
  lookupHold: 3600 * second,
} as const satisfies Partial<Record<PolicyFieldName, string | number>>

/** The names of the fields that have a built-in default. */
export type FieldWithDefault = keyof typeof values

/** The built-in defaults of the fields that have one. */
export const builtInDefaults: { readonly [Name in FieldWithDefault]: NonNullable<PolicySettings[Name]> } = values
