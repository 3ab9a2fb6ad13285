import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** `M_MMAP_THRESHOLD` of malloc.h, and its value before glibc raises it by itself. */
const mmapThreshold = { parameter: -3, bytes: 128 * 1024 }

/**
 * Makes malloc return large blocks to the system when they are freed. Otherwise glibc raises its threshold to the size of the largest block that
 * was freed, up to 32 MB (mallopt(3)). Smaller blocks then stay resident, and so does most of the memory that a start and every reload need.
 */
export function returnLargeBlocks(): Promise<void> {
  return askMalloc('int mallopt(int, int)', mmapThreshold.parameter, mmapThreshold.bytes)
}

/** The interval between two trims, in milliseconds. It is long because a trim takes some milliseconds. */
const trimIntervalMs = 10_000

/** Returns freed memory to the system every 10 s, until the function that it returns is called. */
export function startTrimming(): () => void {
  const timer = setInterval(trimMemory, trimIntervalMs).unref()
  return () => clearInterval(timer)
}

/** Returns freed memory of malloc to the system, such as the memory of a thread that has ended (malloc_trim(3)). */
export function trimMemory(): Promise<void> {
  return askMalloc('int malloc_trim(size_t)', 0)
}

/** Functions of malloc by their signatures. Each is looked up once, because koffi never frees its function objects. */
const found = new Map<string, (...args: number[]) => void>()

/** Calls a function of malloc. Does nothing if there is none: musl has no such calls, and retains less memory. */
async function askMalloc(signature: string, ...args: number[]): Promise<void> {
  try {
    const { default: koffi } = await import('koffi')
    const ask = found.get(signature) ?? koffi.load(null).func(signature)
    found.set(signature, ask)
    ask(...args)
  } catch {
    // Then the memory stays resident and is used again.
  }
}

/** From this number of services on, loading them leaves enough garbage that it is worth the time to reclaim it. */
export const manyServices = 1000

/** The options of V8's collector. The whole heap is collected and compacted, or the young generation alone. */
const collections = {
  whole: { type: 'major', flavor: 'last-resort', execution: 'sync' },
  young: { type: 'minor', execution: 'sync' },
} as const

/**
 * Collects all garbage of this thread and compacts the heap. It may block the thread for a third of a second. Call it after work that made much
 * garbage.
 */
export function collectGarbage(): void {
  collect('whole')
}

/**
 * Collects the garbage of this thread's young generation, which takes about a millisecond. V8 then looks once more 8 s later (`kLongDelayMs` in
 * memory-reducer.cc), and returns the memory by which the heap grew: 10 MB after a start. By itself V8 does so only after the young generation was
 * full, which takes an idle process minutes.
 */
export function collectYoungGarbage(): void {
  collect('young')
}

function collect(kind: keyof typeof collections): void {
  // Only a context that is created while this flag is set has `gc`.
  setFlagsFromString('--expose-gc')
  const gc: NodeJS.GCFunction = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  gc(collections[kind])
}
