import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { platform, uptime } from 'node:os'
import { performance } from 'node:perf_hooks'
import { hrtime } from 'node:process'

/**
 * Two ways to tell the time. The rules work with instants of a clock that never jumps, because a corrected wall clock must make no status stale.
 * People and other machines get the time of day.
 */
export type Clock = {
  /** Returns an instant in milliseconds. Instants only grow, and mean nothing outside this process. */
  now(): number
  /** Converts an instant to milliseconds since the epoch. */
  toEpoch(instant: number): number
  /** Converts milliseconds since the epoch to an instant. */
  fromEpoch(epochMs: number): number
}

/**
 * The relation between the wall clock and the other clocks of the machine at one moment. Two datings of the same boot that differ by more than a
 * step show that the wall clock was corrected in between, and by how much. The first one may come from another process.
 */
export type Dating = {
  /** Names the run of the machine, from its start to its end. */
  readonly boot: string
  /** The time of day at which CLOCK_BOOTTIME and CLOCK_MONOTONIC were 0, in milliseconds since the epoch. */
  readonly bootedAt: number
  readonly monotonicAt: number
}

/** The machine's clock. Its instants include the time for which the machine was suspended, once the suspension is noticed. */
export type SystemClock = Clock & {
  /** Checks whether the machine was suspended since the last call. If so, all instants from now on are later by that time. */
  noticeSuspension(): void
  /** Returns the total time of the suspensions that were noticed so far, in milliseconds. */
  suspendedMs(): number
  dating(): Dating
}

/** The largest difference of the wall clock that does not count as a step, in milliseconds. */
export const stepMs = 1000
/** The shortest suspension that is noticed, in milliseconds. */
const leastSuspensionMs = 1000
/** The longest time, in milliseconds, between the readings of two clocks. After a longer time their difference means nothing. */
const readMs = 50

/**
 * Creates the machine's clock. The offset of the wall clock changes only when the wall clock stepped, so that an instant always has the same
 * time of day. `monotonic` stops while the machine is suspended (CLOCK_MONOTONIC). `sinceBoot` goes on (CLOCK_BOOTTIME, see clock_gettime(2)).
 * Both return milliseconds.
 */
export function systemClock(
  monotonic = () => performance.now(),
  wall = () => Date.now(),
  sinceBoot: () => number | null = readSinceBoot,
  boot = readBoot(),
  /** How far CLOCK_MONOTONIC is ahead of `monotonic`, in milliseconds. */
  aheadMs = Number(hrtime.bigint()) / 1e6 - monotonic(),
): SystemClock {
  let suspendedMs = 0
  let awakeSinceBoot = measureSinceBoot()
  const now = () => monotonic() + suspendedMs
  let offset = wall() - now()

  /** Returns by how many milliseconds the time since boot is ahead of the monotonic clock; null if that cannot be measured now. */
  function measureSinceBoot(): number | null {
    const before = monotonic()
    const boot = sinceBoot()
    const after = monotonic()
    // A pause of this process between the readings would look like a suspension.
    return boot === null || after - before > readMs ? null : boot - after
  }

  function noticeSuspension(): void {
    const ahead = measureSinceBoot()
    if (ahead === null) return
    awakeSinceBoot ??= ahead - suspendedMs
    const grownMs = ahead - awakeSinceBoot - suspendedMs
    if (grownMs >= leastSuspensionMs) suspendedMs += grownMs
  }

  function current(): number {
    const measured = wall() - now()
    if (Math.abs(measured - offset) <= stepMs) return offset
    // A suspension puts the wall clock ahead, which is no correction.
    noticeSuspension()
    const corrected = wall() - now()
    if (Math.abs(corrected - offset) > stepMs) offset = corrected
    return offset
  }

  return {
    now,
    toEpoch: (instant) => instant + current(),
    fromEpoch: (epochMs) => epochMs - current(),
    noticeSuspension,
    suspendedMs: () => suspendedMs,
    dating() {
      // `toEpoch` uses this offset, which may lag behind the wall clock by less than a step.
      const zero = current()
      const bootedAt = zero - (awakeSinceBoot ?? aheadMs)
      return { boot, bootedAt, monotonicAt: zero + suspendedMs - aheadMs }
    },
  }
}

/** Returns the id of this run of the machine (random(4)). If it cannot be read, the id is a random one of this process. */
function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return randomUUID()
  }
}

/**
 * Returns how long ago the machine was started, in milliseconds with a resolution of 10 ms. On Linux libuv reads /proc/uptime, which is
 * CLOCK_BOOTTIME (Linux fs/proc/uptime.c). Returns null elsewhere, because libuv derives the time from the wall clock there.
 */
function readSinceBoot(): number | null {
  return platform() === 'linux' ? uptime() * 1000 : null
}
