/** The age from which the note includes the date, in milliseconds. Otherwise readers could take the time of day for that of another day. */
const datedAfterMs = 12 * 3_600_000

/** Returns a note that a check used the last known addresses. Both times are milliseconds since the epoch; the note gives UTC. */
export function describeLastKnown(sinceEpochMs: number, nowEpochMs: number): string {
  const [date = '', time = ''] = new Date(sinceEpochMs).toISOString().split('T')
  const day = nowEpochMs - sinceEpochMs < datedAfterMs ? '' : `${date} `
  return `the name has not resolved since ${day}${time.slice(0, 5)} UTC; checking the last known address`
}
