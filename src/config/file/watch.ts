import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { hangs } from '../../runtime/read-file.ts'
import type { Problem } from '../problem.ts'
import { type FileContent, type FileMark, lookMs, type Read, readConfigFile, readMark } from './read-file.ts'
import { keepsChanging, msUntilSettled, type Settling, seeChange } from './settling.ts'

export type WatchOptions = {
  readonly file: string
  /** The digest of the configuration in use; null if the file could not be read. */
  readonly seen: string | null
  /**
   * Called if the content differs from the last one, or if the file is back after `onError`. The next look waits until its promise resolves.
   * `sameForMs` is for how long the file stayed the same, in milliseconds: infinity if it was not written in place.
   */
  onChange(bytes: FileContent['bytes'], sameForMs: number): void | Promise<void>
  /** Called once, not at every look, when the file cannot be used any more. */
  onError(problem: Problem): void
  /** How long the directory must be quiet before the file is read, in milliseconds, so that several changes count as one. */
  readonly debounceMs?: number
  /** How long a file that is written in place has to stay the same before it is used, in milliseconds. */
  readonly settleMs?: number
  /** The longest time that one look may take, in milliseconds, before its file system counts as hanging. While one look hangs, no other begins. */
  readonly deadlineMs?: number
  /** The interval between looks without an event, in milliseconds. Some file systems (NFS, some containers) report no events. */
  readonly pollMs?: number
  /** Returns an instant in milliseconds. It measures how long the file stayed the same. */
  readonly now?: () => number
}

/** A file being watched. */
export type ConfigWatch = {
  /** Looks now, without an event, and uses the content of the file even if it is being written. */
  look(): Promise<void>
  /** Makes the content count as a change again at the next look, because it could not be applied. */
  forget(): void
  /** Delays the content: it counts as a change again once the file stayed the same for this time, in milliseconds. */
  postpone(sameForMs: number): void
  close(): void
}

/** The longest time before a look at a directory that is never quiet, in milliseconds. */
const longestDebounceMs = 1000

/**
 * Watches a configuration file. The watch never keeps the process alive. The function watches the directory, because a watch on the file would
 * stay with the old file for good. Kubernetes replaces a ConfigMap by renaming the symlink `..data` beside the file, and editors rename a new
 * file over the old one. A renamed file is complete, so it is used at once. A file that is written in place may be half written, so it is used
 * once it stayed the same for a while.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const { file, onChange, onError, debounceMs = 100, settleMs = 1000, pollMs = 30_000 } = options
  const { deadlineMs = lookMs } = options
  const { now = () => performance.now() } = options
  let { seen } = options
  /** The identity of the file when its content was last used or found to be the same; null while it is unknown. */
  let identity: string | null = null
  /** Whether the file was written in place since the last look, not only renamed, or is not settled yet. */
  let wasWritten = false
  let settling: Settling | null = null
  /** How long the file has to stay the same before it is used, in milliseconds. */
  let neededMs = settleMs
  let watcher: FSWatcher | undefined
  let reportedMessage: string | undefined
  let pending: NodeJS.Timeout | undefined
  let pendingSince: number | null = null
  let looking = false
  let again: 'look' | 'use' | null = null
  let closed = false

  const report = (problem: Problem) => {
    // After a problem any content counts as a change, even if it is the same as before.
    seen = null
    if (problem.message !== reportedMessage) onError(problem)
    reportedMessage = problem.message
  }

  /** Records that the content is in use, or was found to have problems. */
  const recordMark = (mark: FileMark, digest: string) => {
    seen = digest
    identity = mark.identity
    settling = null
    neededMs = settleMs
    reportedMessage = undefined
  }

  /** Reads the content and reports it. `sameForMs` is for how long the file stayed the same, in milliseconds. */
  const useContent = async (mark: FileMark, sameForMs: number): Promise<void> => {
    wasWritten = false
    const read = await readConfigFile(file, { deadlineMs })
    if (closed) return
    if (!read.ok) return reportUnread(read)
    const { bytes, digest } = read.content
    if (digest !== mark.digest && sameForMs !== Number.POSITIVE_INFINITY) {
      wasWritten = true
      return scheduleLook(debounceMs)
    }
    const before = settling
    recordMark(mark, digest)
    await onChange(bytes, sameForMs)
    if (neededMs === settleMs || before === null || closed) return
    seen = null
    settling = before
    scheduleLook(msUntilSettled(before, neededMs, now()))
  }

  const reportUnread = ({ problem, ended }: Extract<Read<unknown>, { ok: false }>) => {
    identity = null
    settling = null
    report(problem)
    void ended?.then(() => closed || scheduleLook(0))
  }

  /** Looks at the file once. With `isWanted` the content is used in any state. */
  const lookOnce = async (isForced: boolean): Promise<void> => {
    const wasWrittenBefore = wasWritten
    // A write from now on may not be in the content that is read.
    wasWritten = false
    const read = await readMark(file, { deadlineMs })
    if (closed) return
    if (!read.ok) {
      // Answer an operator who asked for the look, even if the answer is the same as before.
      if (isForced) reportedMessage = undefined
      return reportUnread(read)
    }
    const mark = read.content
    if (mark.digest === seen) return recordMark(mark, mark.digest)
    const isOther = identity !== null && mark.identity !== identity && !wasWrittenBefore && !wasWritten
    if (isForced || isOther) return useContent(mark, Number.POSITIVE_INFINITY)
    wasWritten = true
    const at = now()
    settling = seeChange(settling, `${mark.identity} ${mark.written} ${mark.digest}`, at)
    const leftMs = msUntilSettled(settling, neededMs, at)
    if (leftMs === 0) return useContent(mark, at - settling.since)
    if (settling.since === at && keepsChanging(settling, at))
      report({ place: file, path: '', message: keepsChangingMessage })
    scheduleLook(leftMs)
  }

  const look = async (next: 'look' | 'use'): Promise<void> => {
    if (again !== 'use') again = next
    if (looking) return
    looking = true
    while (again !== null && !closed) {
      const isForced: boolean = again === 'use'
      again = null
      await lookOnce(isForced)
    }
    looking = false
  }

  const scheduleLook = (ms: number) => {
    clearTimeout(pending)
    pending = setTimeout(() => {
      pendingSince = null
      void look('look')
    }, ms).unref()
  }

  const onDirectoryEvent = (event: string, name: string | null) => {
    // Other files of the directory may change all the time. Only the file itself and names such as `..data` matter.
    if (name !== null && name !== basename(file) && !name.startsWith('..')) return
    if (event === 'change' && name === basename(file)) wasWritten = true
    pendingSince ??= now()
    scheduleLook(Math.min(debounceMs, Math.max(0, pendingSince + longestDebounceMs - now())))
  }

  /** Starts a new watch each time. A directory that was removed and made again is another directory, and the old watch is dead. */
  const watchDirectory = () => {
    const old = watcher
    watcher = undefined
    try {
      watcher = watch(dirname(file), { persistent: false }, onDirectoryEvent)
      watcher.on('error', () => watcher?.close())
    } catch {
      // There is no such directory, or no inotify watch is left. The slow look goes on and reports a file that cannot be read.
    }
    old?.close()
  }

  const rewatchAndLook = async () => {
    // Test first whether the directory hangs, because Node.js starts a watch on the main thread and would block the whole process.
    if (!(await hangs(dirname(file), deadlineMs)) && !closed) watchDirectory()
    await look('look')
  }

  const poll = setInterval(() => void rewatchAndLook(), pollMs).unref()
  watchDirectory()
  // Look for changes between the reading of `seen` and the start of the watch.
  void look('look')

  return {
    look: () => look('use'),
    forget() {
      seen = null
    },
    postpone(sameForMs) {
      neededMs = sameForMs
    },
    close() {
      closed = true
      clearInterval(poll)
      clearTimeout(pending)
      watcher?.close()
    },
  }
}

const keepsChangingMessage =
  'the file keeps changing and may be half written: it is used once it stays the same for one second, or on SIGHUP'
