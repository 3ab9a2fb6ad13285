import { formatLocation } from '../problem.ts'
import type { SourceLocation } from './yaml.ts'

/** The places where services are defined, as numbers, because 100,000 services then need little memory. */
export type SourceLocations = {
  /** The name of the file; null if there is none. */
  readonly file: string | null
  /** Line and column of each service of the file, in the order of the services; 0 if unknown. */
  readonly lines: Int32Array
  /** The arguments that define the services after those of the file, one for each. */
  readonly named: readonly string[]
  /** The indexes of the services, in the order of their names. */
  readonly byName: Int32Array
}

/** Collects the places of services: first those of a file, by their names, then those of the command line. */
export function recordLocations(
  file: string | null,
  written: ReadonlyMap<string, SourceLocation>,
  named: ReadonlyMap<string, { readonly place: string }>,
  services: readonly { readonly name: string }[],
): SourceLocations {
  const lines = new Int32Array(2 * (services.length - named.size))
  for (let at = 0; 2 * at < lines.length; at++) {
    const { line, column } = written.get(services[at]?.name ?? '') ?? { line: 0, column: 0 }
    lines.set([line, column], 2 * at)
  }
  const nameAt = (at: number) => services[at]?.name ?? ''
  const byName = Int32Array.from(services.keys()).sort((one, other) => (nameAt(one) < nameAt(other) ? -1 : 1))
  return { file, lines, named: [...named.values()].map(({ place }) => place), byName }
}

/** Returns the place where a service is defined, such as `porthole.yaml:12:3`; null if no such service is defined. */
export function locationOf(
  {
    services,
    sourceLocations,
  }: { readonly services: readonly { readonly name: string }[]; readonly sourceLocations: SourceLocations },
  name: string,
): string | null {
  const { file, lines, named, byName } = sourceLocations
  let low = 0
  let high = byName.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((services[byName[middle] ?? 0]?.name ?? '') < name) low = middle + 1
    else high = middle
  }
  const at = byName[low]
  if (at === undefined || services[at]?.name !== name) return null
  const [line = 0, column = 0] = lines.subarray(2 * at, 2 * at + 2)
  if (file !== null && line > 0) return formatLocation(file, { line, column })
  return named[at - lines.length / 2] ?? null
}
