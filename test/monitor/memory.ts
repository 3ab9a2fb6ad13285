import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** How many bytes is taken by what is made, in the heap and outside. */
export function bytesOf(make: () => unknown): number {
  const before = bytesInUse()
  const made = [make()]
  const after = bytesInUse()
  made.pop()
  return after - before
}

function bytesInUse(): number {
  // What the first pass finds gone may let go of more.
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
