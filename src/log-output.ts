import sonic from 'sonic-boom'

/** Lines that were dropped in one stretch, and the cause as a clause, such as `its disk was full (ENOSPC)`. */
export type DroppedLines = { readonly lines: number; readonly cause: string }

/** Where the log goes: a file, a pipe or a terminal that may be full, slow, stuck or gone. */
export type LogOutput = {
  /**
   * For pino. It has no `flushSync`, which pino would call after a fatal line: that of sonic-boom tries again for ever where a disk is
   * full or a pipe is not read (sonic-boom 4.2.1, `flushSync`), and no option bounds it.
   */
  readonly stream: { write(line: string): void }
  /** Returns how many lines were dropped since the start. */
  dropped(): number
  /** Has `listener` called where dropped lines are missing, before the next line is taken. It may write a line about them. */
  onResume(listener: (dropped: DroppedLines) => void): void
  /** Resolves once all lines are written, or after `ms` milliseconds. */
  drain(ms: number): Promise<void>
}

/** How many bytes wait to be written at most: some 40,000 lines, more than a burst brings while its reader is alive. */
const mostWaiting = 8 * 1024 * 1024
/**
 * How many bytes are written at once. More than the 16 kB of sonic-boom, because one write begins in each turn of the event loop: that has
 * to be as much as one turn logs, otherwise lines are dropped although the disk takes them.
 */
const mostAtOnce = 1024 * 1024
/** After how many milliseconds a failed write is tried again: after each failure twice as late, up to the second figure. */
const [firstRetryMs, lastRetryMs] = [5, 1000]

/**
 * Writes the log to a file descriptor and never waits for it: a thread of the pool writes, one write at a time, and the lines stay in
 * order. Where the descriptor takes nothing, lines wait; beyond `maxLength` bytes the newest are dropped and counted.
 */
export function createLogOutput({
  fd = 1,
  maxLength = mostWaiting,
}: {
  readonly fd?: number
  readonly maxLength?: number
} = {}): LogOutput {
  // A full pipe is an error like any other here: sonic-boom itself would wait for 100 ms each time, too long for a reader that is only slow.
  const boom = new sonic.SonicBoom({ fd, maxLength, maxWrite: mostAtOnce, retryEAGAIN: () => false })
  let onResume: (dropped: DroppedLines) => void = () => undefined
  let dropped = 0
  /** Of the dropped lines, those that no line tells of yet. */
  let untold = 0
  /** Something was written since a line was dropped last, so that another line may fit. */
  let mayFit = true
  let isEmpty = true
  /** Why the last write failed; null since one succeeded. */
  let failure: string | null = null
  let cause = ''
  let isRetrying = false
  let retryMs = firstRetryMs
  let drained: (() => void)[] = []

  function drop(): void {
    dropped++
    untold++
    mayFit = false
    cause = isEmpty ? 'one of them was too long' : causeOf(failure)
  }

  function take(line: string): void {
    const before = dropped
    boom.write(line)
    if (dropped === before) isEmpty = false
    // A line that does not fit where nothing waits: the next one may.
    else if (isEmpty) mayFit = true
  }

  /** Tells of the dropped lines in their place. The line about them may be dropped as well: then it is one of them. */
  function tellDropped(): void {
    const told = { lines: untold, cause }
    untold = 0
    const before = dropped
    onResume(told)
    if (dropped > before) untold += told.lines
  }

  function retry(): void {
    if (isRetrying) return
    isRetrying = true
    setTimeout(() => {
      isRetrying = false
      // Nothing to add, but what waits is written.
      boom.write('')
    }, retryMs).unref()
    retryMs = Math.min(2 * retryMs, lastRetryMs)
  }

  boom.on('drop', drop)
  boom.on('write', () => {
    mayFit = true
    failure = null
    retryMs = firstRetryMs
  })
  boom.on('error', (error: NodeJS.ErrnoException) => {
    // sonic-boom holds on to what could not be written, and writes it first the next time.
    failure = error.code ?? String(error)
    retry()
  })
  boom.on('drain', () => {
    isEmpty = true
    if (untold > 0) tellDropped()
    if (!isEmpty || drained.length === 0) return
    for (const done of drained) done()
    drained = []
  })

  return {
    stream: {
      write(line) {
        if (mayFit && untold > 0) tellDropped()
        if (mayFit) take(line)
        else drop()
      },
    },
    dropped: () => dropped,
    onResume(listener) {
      onResume = listener
    },
    drain(ms) {
      if (isEmpty) return Promise.resolve()
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms)
        drained.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    },
  }
}

function causeOf(failure: string | null): string {
  switch (failure) {
    case null:
    case 'EAGAIN':
      return 'its reader took nothing'
    case 'ENOSPC':
    case 'EDQUOT':
      return `its disk was full (${failure})`
    case 'EPIPE':
      return 'its reader was gone (EPIPE)'
    default:
      return `it could not be written (${failure})`
  }
}
