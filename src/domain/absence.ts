/**
 * A time when Porthole was not running, or was stopped for longer than its checks are trusted. Instants in milliseconds; in a store,
 * milliseconds since the epoch.
 */
export type Absence = { readonly from: number; readonly to: number }

/** How many absences a process remembers at most. */
const mostAbsences = 1000

/**
 * Adds an absence to those before it, the oldest first. Where there are more than 1000, the two that are closest together become one:
 * of the short time between them nothing is known then, which is better than to forget an absence.
 */
export function addAbsence(absences: readonly Absence[], added: Absence): readonly Absence[] {
  const all = [...absences.filter(({ from }) => from !== added.from), added].sort((a, b) => a.from - b.from)
  if (all.length <= mostAbsences) return all
  const gapAfter = (place: number) => (all[place + 1] as Absence).from - (all[place] as Absence).to
  let closest = 0
  for (let place = 1; place < all.length - 1; place++) if (gapAfter(place) < gapAfter(closest)) closest = place
  const [first, second] = all.slice(closest, closest + 2) as [Absence, Absence]
  return all.toSpliced(closest, 2, { from: first.from, to: Math.max(first.to, second.to) })
}
