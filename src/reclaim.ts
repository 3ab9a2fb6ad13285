import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** `M_MMAP_THRESHOLD` of malloc.h, and what it is before glibc raises it by itself. */
const mmapThreshold = { parameter: -3, bytes: 128 * 1024 }

/**
 * Has large blocks go back to the system once they are freed. Else glibc maps none by itself any more that is smaller than the largest
 * that was freed so far, up to 32 MB (mallopt(3)), and so much of what a start and every reload need stays resident.
 */
export function giveBackLarge(): Promise<void> {
  return askMalloc('int mallopt(int, int)', mmapThreshold.parameter, mmapThreshold.bytes)
}

/** What is freed stays resident for so long at most: to give it back takes some milliseconds. */
const giveBackMs = 10_000

/** Gives back what was freed now and then, until what it returns is called. */
export function keepGivingBack(): () => void {
  const timer = setInterval(giveBackFreed, giveBackMs).unref()
  return () => clearInterval(timer)
}

/** Gives back to the system what malloc keeps of memory that was freed, such as all that a thread had that is over (malloc_trim(3)). */
export function giveBackFreed(): Promise<void> {
  return askMalloc('int malloc_trim(size_t)', 0)
}

/** Functions of malloc by their signatures, each looked up once: what koffi makes of one stays for good. */
const found = new Map<string, (...args: number[]) => void>()

/** Does nothing where it cannot: musl has no such calls, and keeps less. */
async function askMalloc(signature: string, ...args: number[]): Promise<void> {
  try {
    const { default: koffi } = await import('koffi')
    const ask = found.get(signature) ?? koffi.load(null).func(signature)
    found.set(signature, ask)
    ask(...args)
  } catch {
    // Then it stays resident, and is used for what comes next.
  }
}

/**
 * By how much of what is left after a collection the heap may grow until the next, in percent, for so long after garbage was collected.
 * V8 goes by how fast the heap grew before a collection: one in the middle of a first sweep would be the last for a long time.
 */
const growing = { percent: 10, ms: 15_000 }
/** As V8 has it by itself. */
const asItGrows = 0

/**
 * Collects all garbage of this thread and packs together what is left, which may hold it up for a third of a second: for who has just made
 * a lot of which little stays.
 */
export function collectGarbage(): void {
  // Only a context that is made meanwhile has it.
  setFlagsFromString('--expose-gc')
  const gc: NodeJS.GCFunction = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  gc({ type: 'major', flavor: 'last-resort', execution: 'sync' })
  setGrowing(growing.percent)
  setTimeout(setGrowing, growing.ms, asItGrows).unref()
}

function setGrowing(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`)
}
