/** The state of a file that is written in place while it is watched. The file may be half written at any look. */
export type Settling = {
  /** A stamp that differs between two states of the file: size, time of the last write, digest. */
  readonly stamp: string
  /** The instant at which the file was first seen in this state, in milliseconds. */
  readonly since: number
  /** The instant of the first change that is not applied yet, in milliseconds. */
  readonly changingSince: number
}

/** The operator is warned of a file that changes for longer than this without staying the same, in milliseconds. */
const longMs = 30_000

/** Returns the state of a file that is written in place, after one more look at it. */
export function seeChange(before: Settling | null, stamp: string, now: number): Settling {
  if (before?.stamp === stamp) return before
  return { stamp, since: now, changingSince: before?.changingSince ?? now }
}

/** Returns for how many more milliseconds the file has to stay the same before it is used; 0 once it may be used. */
export function msUntilSettled({ since }: Settling, settleMs: number, now: number): number {
  return Math.max(0, since + settleMs - now)
}

/** Returns whether the file has changed for so long that it may never be used. */
export function keepsChanging({ changingSince }: Settling, now: number): boolean {
  return now - changingSince >= longMs
}
