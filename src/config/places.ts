import { formatPlace } from './problem.ts'
import type { Place } from './yaml.ts'

/** Where the services of a configuration are defined, in numbers: so little is kept for 100,000 of them. */
export type Places = {
  /** What the file is called; null without one. */
  readonly file: string | null
  /** Line and column of each service of the file, in the order of the services; 0 where it is not known. */
  readonly lines: Int32Array
  /** The arguments that name the services after them, one for each. */
  readonly named: readonly string[]
  /** Which service is the first by its name, which the second, and so on. */
  readonly byName: Int32Array
}

/** Notes where services are defined: those of a file, by their names, and then those named on the command line. */
export function notePlaces(
  file: string | null,
  written: ReadonlyMap<string, Place>,
  named: ReadonlyMap<string, { readonly place: string }>,
  services: readonly { readonly name: string }[],
): Places {
  const lines = new Int32Array(2 * (services.length - named.size))
  for (let at = 0; 2 * at < lines.length; at++) {
    const { line, column } = written.get(services[at]?.name ?? '') ?? { line: 0, column: 0 }
    lines.set([line, column], 2 * at)
  }
  const nameAt = (at: number) => services[at]?.name ?? ''
  const byName = Int32Array.from(services.keys()).sort((one, other) => (nameAt(one) < nameAt(other) ? -1 : 1))
  return { file, lines, named: [...named.values()].map(({ place }) => place), byName }
}

/** Where one of these services is defined, such as `porthole.yaml:12:3`; null when it is none of them. */
export function placeOf(
  { services, places }: { readonly services: readonly { readonly name: string }[]; readonly places: Places },
  name: string,
): string | null {
  const { file, lines, named, byName } = places
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
  if (file !== null && line > 0) return formatPlace(file, { line, column })
  return named[at - lines.length / 2] ?? null
}
