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

/** So many services leave enough garbage behind, whenever they are taken in, that it is worth the time to give it back. */
export const manyServices = 1000

/** How often it is looked at what counts, in milliseconds. */
const lookMs = 500
/** So many looks in a row must find things calm before memory counts: 5 s. */
const calmLooks = 10

/**
 * Has speed count from the start on, and memory once things have been calm for a while: from then on whenever V8 collects garbage it packs
 * together what is left and gives back what that frees, and 8 s later it looks once more. By itself it keeps the pages of the heap that it
 * freed, a tenth of all and more after a start, unless next to nothing is allocated any more (`ShouldOptimizeForMemoryUsage` in heap.cc of
 * V8, `kLongDelayMs` in memory-reducer.cc). Where more is due than can be done, a third as many checks are made while memory counts: so
 * it is given up at the first look that does not find things calm.
 */
export function preferMemoryWhenCalm(isCalm: () => boolean): {
  /** To be called when a lot is about to be made, in any thread, of which little stays; and what it returns once that is over. Speed counts until a while after. */
  hurry(): () => void
  stop(): void
} {
  let hurries = 0
  /** How many looks in a row found things calm. */
  let calm = 0

  function preferSpeed(): void {
    if (calm >= calmLooks) setFlagsFromString('--no-optimize-for-size')
    calm = 0
  }

  function look(): void {
    if (hurries > 0 || !isCalm()) {
      preferSpeed()
      return
    }
    calm++
    if (calm === calmLooks) setFlagsFromString('--optimize-for-size')
  }

  const timer = setInterval(look, lookMs).unref()
  return {
    hurry() {
      hurries++
      preferSpeed()
      return () => {
        hurries--
      }
    },
    stop: () => clearInterval(timer),
  }
}

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
}
