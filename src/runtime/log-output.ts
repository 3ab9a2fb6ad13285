import sonic from 'sonic-boom'

/** Lines that were dropped in one stretch, and the cause as a clause, such as `its disk was full (ENOSPC)`. */
export type DroppedLines = { readonly lines: number; readonly cause: string }

/** The output of the log: a file, a pipe or a terminal that may be full, slow, stuck or gone. */
export type LogOutput = {
  /**
   * The stream for pino. The stream has no `flushSync`, because pino would call that after a fatal line. The one of sonic-boom retries for ever
   * if a disk is full or a pipe is not read (sonic-boom 4.2.1, `flushSync`), and no option bounds it.
   */
  readonly stream: { write(line: string): void }
  /** Returns how many lines were dropped since the start. */
  dropped(): number
  /** Sets the listener that is called in the place of dropped lines, before the next line is taken. It may write a line about them. */
  onResume(listener: (dropped: DroppedLines) => void): void
  /** Resolves once all lines are written, or after `ms` milliseconds. */
  drain(ms: number): Promise<void>
}

/** The most bytes that wait to be written: about 40,000 lines, more than a burst brings while its reader is alive. */
const mostWaiting = 8 * 1024 * 1024
/**
 * The most bytes per write. The figure is more than the 16 kB of sonic-boom, because one write begins in each turn of the event loop. A write
 * has to take all lines of one turn; otherwise lines are dropped although the disk takes them.
 */
const mostAtOnce = 1024 * 1024
/** The delay before a failed write is retried, in milliseconds. The delay doubles after each failure, from the first figure up to the second. */
const [firstRetryMs, lastRetryMs] = [5, 1000]

/**
 * Writes the log to a file descriptor without waiting for it. A thread of the pool writes, one write at a time, and the lines stay in order.
 * While the descriptor takes nothing, lines wait. Beyond `maxLength` bytes the newest lines are dropped and counted.
 */
export function createLogOutput({
  fd = 1,
  maxLength = mostWaiting,
}: {
  readonly fd?: number
  readonly maxLength?: number
} = {}): LogOutput {
  // Treat a full pipe like any other error. sonic-boom itself would wait 100 ms each time, which is too long for a reader that is only slow.
  const boom = new sonic.SonicBoom({ fd, maxLength, maxWrite: mostAtOnce, retryEAGAIN: () => false })
  let onResume: (dropped: DroppedLines) => void = () => undefined
  let dropped = 0
  /** The number of dropped lines that no line of the log mentions yet. */
  let unreported = 0
  /** Whether bytes were written since the last line was dropped. If so, another line may fit. */
  let mayFit = true
  let isEmpty = true
  /** The error of the last write; null after a write succeeded. */
  let failure: string | null = null
  let cause = ''
  let isRetrying = false
  let retryMs = firstRetryMs
  let drained: (() => void)[] = []

  function drop(): void {
    dropped++
    unreported++
    mayFit = false
    cause = isEmpty ? 'one of them was too long' : causeOf(failure)
  }

  function writeLine(line: string): void {
    const before = dropped
    boom.write(line)
    if (dropped === before) isEmpty = false
    // The line is too long although no other line waits. The next one may fit.
    else if (isEmpty) mayFit = true
  }

  /** Reports the dropped lines in their place. If the line about them is dropped as well, it is counted as one of them. */
  function writeDropped(): void {
    const report = { lines: unreported, cause }
    unreported = 0
    const before = dropped
    onResume(report)
    if (dropped > before) unreported += report.lines
  }

  function retry(): void {
    if (isRetrying) return
    isRetrying = true
    setTimeout(() => {
      isRetrying = false
      // An empty write makes sonic-boom write the lines that wait.
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
    // sonic-boom keeps the lines that it could not write, and writes them first the next time.
    failure = error.code ?? String(error)
    retry()
  })
  boom.on('drain', () => {
    isEmpty = true
    if (unreported > 0) writeDropped()
    if (!isEmpty || drained.length === 0) return
    for (const done of drained) done()
    drained = []
  })

  return {
    stream: {
      write(line) {
        if (mayFit && unreported > 0) writeDropped()
        if (mayFit) writeLine(line)
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
