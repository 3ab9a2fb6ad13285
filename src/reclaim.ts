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

/** Why speed counts for now: a lot is made, in this thread or others, of which little stays; or more is due than can be done. */
export type Burst = 'reload' | 'overload'

/** So long after the last burst memory counts again, in milliseconds: by then it is known whether what a start brought is too much. */
const settleMs = 25_000
/** A start is one. */
const bursts = new Set<Burst>(['reload'])
let settling: NodeJS.Timeout | undefined

/** Speed counts until that is over. So it does from the start on. */
export function beginBurst(burst: Burst): void {
  bursts.add(burst)
  clearTimeout(settling)
  setFlagsFromString('--no-optimize-for-size')
}

/**
 * Once all bursts are over, memory counts from a while later on: whenever V8 collects garbage it packs together what is left and gives
 * back what that frees, and 8 s later it looks once more. By itself it keeps the pages of the heap that it freed, a tenth of all
 * and more after a start, unless next to nothing is allocated any more (`ShouldOptimizeForMemoryUsage` in heap.cc of V8, `kLongDelayMs`
 * in memory-reducer.cc). Where more is due than can be done, a third as many checks are made while memory counts.
 */
export function endBurst(burst: Burst): void {
  bursts.delete(burst)
  clearTimeout(settling)
  if (bursts.size > 0) return
  settling = setTimeout(() => setFlagsFromString('--optimize-for-size'), settleMs).unref()
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
