/**
 * Readers of single stored values, which another version, another program or a person at a console may have written. Every value that Porthole
 * never writes is rejected. The readers are written by hand, because a replica reads thousands of health records in one turn of the event loop.
 */

const dayMs = 86_400_000
/**
 * How far ahead of the clock a stored time or number may be, in milliseconds: ten years. A wrong clock is off by years at most, a wrong value by
 * far more.
 */
export const mostAheadMs = 3650 * dayMs

/** The most characters of a number that are read. A double needs no more. */
const longestNumber = 24

/** Parses a number from 0 to 2^53 - 1, with a fraction or an exponent allowed. Returns null for any other text. */
export function readNumber(text: string | undefined): number | null {
  if (text === undefined || text.length > longestNumber || !/^\d+(?:\.\d+)?(?:e\+?\d{1,2})?$/.test(text)) return null
  const number = Number(text)
  return number <= Number.MAX_SAFE_INTEGER ? number : null
}

/** Parses a whole number from 0 to 2^53 - 1. Returns null for any other text. */
export function readCount(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null
}

/** Returns whether a value is a plausible time, in milliseconds since the epoch. */
export function isEpochMs(value: unknown): value is number {
  // The bound lies in the year 2286, until which whole milliseconds have 13 digits.
  return typeof value === 'number' && value >= 0 && value < 1e13
}

/** Returns whether a value is a whole number from 1 to 2^53 - 1. */
export function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

/** Returns whether a value is a finite number of 0 or more. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value)
}
