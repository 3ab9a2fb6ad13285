import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** Returns how many bytes the created objects take, in the heap and outside. */
export function bytesOf(make: () => unknown): number {
  const before = bytesInUse()
  const made = [make()]
  const after = bytesInUse()
  made.pop()
  return after - before
}

function bytesInUse(): number {
  // Objects that the first pass frees may release more, so collect twice.
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
