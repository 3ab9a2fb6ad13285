/**
 * Readers of single values that something else may have written: another version, another program, a person at a console. Each returns null
 * for a value that Porthole never writes. They are written by hand, because a replica reads thousands of health records in one turn.
 */

const dayMs = 86_400_000
/** How far ahead of the clock a stored time or number may be. A wrong clock is off by years at most, and a wrong value by far more. */
export const mostAheadMs = 3650 * dayMs

/** A list of at most this many characters is read; the text of a registration or a message is far below that. */
const longestNumber = 24

/** Returns a finite number of 0 or more that is written as text; null otherwise. */
export function readNumber(text: string | undefined): number | null {
  if (text === undefined || text.length > longestNumber || !/^\d+(?:\.\d+)?(?:e\+?\d{1,2})?$/.test(text)) return null
  const number = Number(text)
  return number <= Number.MAX_SAFE_INTEGER ? number : null
}

/** Returns a whole number of 0 or more that is written as text and exact; null otherwise. */
export function readCount(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null
}

/** Tells whether a value is a time in milliseconds since the epoch that a clock can have told. */
export function isEpochMs(value: unknown): value is number {
  // To the year 2286: whole milliseconds have 13 digits until then.
  return typeof value === 'number' && value >= 0 && value < 1e13
}

/** Tells whether a value is a whole number above 0 that is exact. */
export function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

/** Tells whether a value is a number of 0 or more, and finite. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value)
}
