import { createTimeSlices, type TimeSlices } from '../src/time-slices.ts'

/** Slices by a clock that goes on by a millisecond whenever it is read, so that each is some steps long on every machine. */
export function countingSlices(sliceMs = 5): TimeSlices {
  let reads = 0
  return createTimeSlices({ now: () => reads++, sliceMs })
}
