/** How many drains of names that no service has are kept. */
export const mostAbsentDrains = 10_000

/**
 * Returns the oldest drains of names that no service has, as many as there are too many of. `drained` has the oldest first. A drain
 * outlives the registration that expired under it, so without a bound they would pile up where names never come back.
 */
export function excessDrains(
  drained: ReadonlySet<string>,
  services: { has(name: string): boolean },
  most = mostAbsentDrains,
): string[] {
  if (drained.size <= most) return []
  const absent = [...drained].filter((name) => !services.has(name))
  return absent.slice(0, Math.max(0, absent.length - most))
}
