import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { platform, uptime } from 'node:os'
import { performance } from 'node:perf_hooks'
import { hrtime } from 'node:process'

/**
 * Two ways to tell the time. Rules are given instants of a clock that never jumps, so that a corrected wall clock
 * makes nothing stale; people and other machines are told the time of day.
 */
export type Clock = {
  /** An instant in milliseconds that only grows; it means nothing outside this process. */
  now(): number
  /** An instant as milliseconds since the epoch. */
  toEpoch(instant: number): number
  /** Milliseconds since the epoch as an instant. */
  fromEpoch(epochMs: number): number
}

/**
 * How times of day are told now. Two that are of the same boot and differ by more than a step say that the wall clock was corrected in
 * between, and by how much, also where another process took the first one.
 */
export type Dating = {
  /** Names the run of the machine, from its start to its end. */
  readonly boot: string
  /** The time of day at which CLOCK_BOOTTIME and CLOCK_MONOTONIC were 0, in milliseconds since the epoch. */
  readonly bootedAt: number
  readonly monotonicAt: number
}

/** The machine's clock. Its instants go on while the machine is suspended, once that is noticed. */
export type SystemClock = Clock & {
  /** Notices whether the machine was suspended since this was called last. From then on instants are later by that time. */
  noticeSuspension(): void
  /** Returns how long the machine was suspended so far, as far as that was noticed, in milliseconds. */
  suspendedMs(): number
  dating(): Dating
}

/** How far the wall clock may be off before that is a step, in milliseconds. */
export const stepMs = 1000
/** How long the machine was suspended at least where that is noticed, in milliseconds. */
const leastSuspensionMs = 1000
/** How long it may take to read two clocks for their difference to mean something, in milliseconds. */
const readMs = 50

/**
 * The machine's clock. The wall clock's offset is taken anew only when it stepped, so the same instant reads the same time.
 * `monotonic` stands still while the machine is suspended (CLOCK_MONOTONIC), `sinceBoot` goes on (CLOCK_BOOTTIME, see
 * clock_gettime(2)); both tell milliseconds.
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

  /** By how much the time since boot is ahead of the monotonic clock; null where that cannot be read now. */
  function measureSinceBoot(): number | null {
    const before = monotonic()
    const boot = sinceBoot()
    const after = monotonic()
    // Whatever stopped this process in between would pass for a suspension.
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
    // After a suspension the wall clock is ahead by that time, which is no correction.
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
      // What is told of an instant is told by this offset, which may lag behind the wall clock by less than a step.
      const zero = current()
      const bootedAt = zero - (awakeSinceBoot ?? aheadMs)
      return { boot, bootedAt, monotonicAt: zero + suspendedMs - aheadMs }
    },
  }
}

/** Names this run of the machine (random(4)). Where that cannot be read, the process stands for it. */
function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return randomUUID()
  }
}

/**
 * Reads how long ago the machine was started, in milliseconds to the hundredth of a second. libuv reads /proc/uptime on Linux, which
 * is CLOCK_BOOTTIME (Linux fs/proc/uptime.c). Null elsewhere, because libuv derives it from the wall clock there.
 */
function readSinceBoot(): number | null {
  return platform() === 'linux' ? uptime() * 1000 : null
}
