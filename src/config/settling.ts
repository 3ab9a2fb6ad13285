/** A file that is written in place while it is watched: it may be half written whenever Porthole looks. */
export type Settling = {
  /** What tells one state of the file from the next: size, time of the last write, digest. */
  readonly stamp: string
  /** When it was first seen in this state; an instant in milliseconds. */
  readonly since: number
  /** When the first change was seen that was not used yet; an instant in milliseconds. */
  readonly changingSince: number
}

/** A file that changes for longer than this, in milliseconds, without ever staying the same is worth a word to its operator. */
const longMs = 30_000

/** Returns what is known of a file that is written in place, after one more look at it. */
export function seeChange(before: Settling | null, stamp: string, now: number): Settling {
  if (before?.stamp === stamp) return before
  return { stamp, since: now, changingSince: before?.changingSince ?? now }
}

/** Returns for how much longer it has to stay the same before it is used, in milliseconds; 0 once it may be. */
export function msUntilSettled({ since }: Settling, settleMs: number, now: number): number {
  return Math.max(0, since + settleMs - now)
}

/** Tells whether it changes so often that it may never be used. */
export function keepsChanging({ changingSince }: Settling, now: number): boolean {
  return now - changingSince >= longMs
}
