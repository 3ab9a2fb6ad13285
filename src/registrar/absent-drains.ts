/** The most drains of names without a service. */
export const mostAbsentDrains = 10_000

/**
 * Returns the drains to end: of the names without a service, the oldest beyond `most`. `drained` has the oldest first. A drain outlives the
 * registration that expired under it. Without a bound, drains would pile up for names that never come back.
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
