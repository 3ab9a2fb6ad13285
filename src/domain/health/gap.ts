/**
 * A gap: a time when Porthole was not running, or was stopped for longer than a status is trusted. Instants in milliseconds; in a store,
 * milliseconds since the epoch.
 */
export type Gap = { readonly from: number; readonly to: number }

/** How many gaps a process remembers. */
const mostGaps = 1000

/**
 * Returns the gaps with one more, the oldest first. Beyond 1000 gaps the two that are closest together become one. The short time between
 * these two then counts as unknown, which is better than forgetting a whole gap.
 */
export function addGap(gaps: readonly Gap[], added: Gap): readonly Gap[] {
  const all = [...gaps.filter(({ from }) => from !== added.from), added].sort((a, b) => a.from - b.from)
  if (all.length <= mostGaps) return all
  const gapAfter = (place: number) => (all[place + 1] as Gap).from - (all[place] as Gap).to
  let closest = 0
  for (let place = 1; place < all.length - 1; place++) if (gapAfter(place) < gapAfter(closest)) closest = place
  const [first, second] = all.slice(closest, closest + 2) as [Gap, Gap]
  return all.toSpliced(closest, 2, { from: first.from, to: Math.max(first.to, second.to) })
}
