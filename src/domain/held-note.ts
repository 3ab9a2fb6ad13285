/** From this age on, in milliseconds, a time of day alone could be taken for another day's. */
const datedAfterMs = 12 * 3_600_000

/** Says that a check went on with the addresses known last. Both times in milliseconds since the epoch; told in UTC. */
export function tellHeld(sinceEpochMs: number, nowEpochMs: number): string {
  const [date = '', time = ''] = new Date(sinceEpochMs).toISOString().split('T')
  const day = nowEpochMs - sinceEpochMs < datedAfterMs ? '' : `${date} `
  return `the name cannot be looked up since ${day}${time.slice(0, 5)} UTC; checking the last known address`
}
