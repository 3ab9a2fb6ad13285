import { createTimeSlices, type TimeSlices } from '../../src/runtime/time-slices.ts'

/** Creates time slices whose clock advances by 1 ms with each reading, so that a slice has the same number of steps on every machine. */
export function countingSlices(sliceMs = 5): TimeSlices {
  let reads = 0
  return createTimeSlices({ now: () => reads++, sliceMs })
}
