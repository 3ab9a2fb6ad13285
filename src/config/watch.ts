import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { hangs } from '../read-file.ts'
import { type FileContent, type FileMark, lookMs, type Read, readConfigFile, readMark } from './file.ts'
import type { Problem } from './problem.ts'
import { keepsChanging, msUntilSettled, type Settling, seeChange } from './settling.ts'

export type WatchOptions = {
  readonly file: string
  /** The digest of what is already in use; null when the file could not be read. */
  readonly seen: string | null
  /**
   * There is something else in the file than last seen, or it is back after `onError`. The next look waits until this is done.
   * `sameForMs` is for how long the file stayed the same, in milliseconds: infinity where it was not written in place.
   */
  onChange(bytes: FileContent['bytes'], sameForMs: number): void | Promise<void>
  /** The file cannot be used any more, or its directory not be watched; said once, not at every look. */
  onError(problem: Problem): void
  /** How long the directory must be quiet before the file is read, so that several changes are one. Milliseconds. */
  readonly debounceMs?: number
  /** How long a file that is written in place has to stay the same before it is used, in milliseconds. */
  readonly settleMs?: number
  /** How long one look may take, in milliseconds, before its file system counts as hanging. While one look hangs there is no other. */
  readonly deadlineMs?: number
  /** How often to look without being told, in milliseconds: some file systems (NFS, some containers) report nothing. */
  readonly pollMs?: number
  /** An instant in milliseconds, for how long the file stayed the same. */
  readonly now?: () => number
}

/** A file being watched. */
export type ConfigWatch = {
  /** Looks now, without being told of a change, and uses what is in the file, even if it is being written. */
  look(): Promise<void>
  /** What was seen could not be made use of: at the next look it is a change again. */
  forget(): void
  /** What was seen is not to be used yet: it is a change again once the file stayed the same for so long, in milliseconds. */
  postpone(sameForMs: number): void
  close(): void
}

/** A directory that is never quiet is looked at after so long all the same, in milliseconds. */
const longestDebounceMs = 1000

/**
 * Watches a configuration file and never keeps the process alive. It is the directory that is watched: Kubernetes
 * replaces a ConfigMap by renaming the symlink `..data` beside the file, editors rename a new file over the old one,
 * and a watch on the file itself would stay with the old one for good. A file that is renamed is whole, and used at once. A file
 * that is written in place may be half written, so it is used once it stayed the same for a while.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const { file, onChange, onError, debounceMs = 100, settleMs = 1000, pollMs = 30_000 } = options
  const { deadlineMs = lookMs } = options
  const { now = () => performance.now() } = options
  let { seen } = options
  /** Which file was there when its content was last used or found to be the same; null while that is not known. */
  let identity: string | null = null
  /** The file itself was written since it was looked at, not only renamed, or is not settled yet. */
  let wasWritten = false
  let settling: Settling | null = null
  /** For how long it has to stay the same before it is used. */
  let neededMs = settleMs
  let watcher: FSWatcher | undefined
  let told: string | undefined
  let pending: NodeJS.Timeout | undefined
  let pendingSince: number | null = null
  let looking = false
  let again: 'look' | 'use' | null = null
  let closed = false

  const tell = (problem: Problem) => {
    // What is there once this is over is a change, also if it is the same as before.
    seen = null
    if (problem.message !== told) onError(problem)
    told = problem.message
  }

  /** What is in the file is in use, or was found to have problems. */
  const settle = (mark: FileMark, digest: string) => {
    seen = digest
    identity = mark.identity
    settling = null
    neededMs = settleMs
    told = undefined
  }

  /** `sameForMs` is for how long the file stayed the same. */
  const use = async (mark: FileMark, sameForMs: number): Promise<void> => {
    wasWritten = false
    const read = await readConfigFile(file, { deadlineMs })
    if (closed) return
    if (!read.ok) return missed(read)
    const { bytes, digest } = read.content
    if (digest !== mark.digest && sameForMs !== Number.POSITIVE_INFINITY) {
      wasWritten = true
      return lookIn(debounceMs)
    }
    const before = settling
    settle(mark, digest)
    await onChange(bytes, sameForMs)
    if (neededMs === settleMs || before === null || closed) return
    seen = null
    settling = before
    lookIn(msUntilSettled(before, neededMs, now()))
  }

  const missed = ({ problem, ended }: Extract<Read<unknown>, { ok: false }>) => {
    identity = null
    settling = null
    tell(problem)
    void ended?.then(() => closed || lookIn(0))
  }

  /** `isWanted`: it is to be used whatever it is. */
  const lookOnce = async (isWanted: boolean): Promise<void> => {
    const wasWrittenBefore = wasWritten
    // What is written from now on may not be in what is read.
    wasWritten = false
    const read = await readMark(file, { deadlineMs })
    if (closed) return
    if (!read.ok) {
      // An operator who asks gets an answer, also where it is the same as before.
      if (isWanted) told = undefined
      return missed(read)
    }
    const mark = read.content
    if (mark.digest === seen) return settle(mark, mark.digest)
    const isOther = identity !== null && mark.identity !== identity && !wasWrittenBefore && !wasWritten
    if (isWanted || isOther) return use(mark, Number.POSITIVE_INFINITY)
    wasWritten = true
    const at = now()
    settling = seeChange(settling, `${mark.identity} ${mark.written} ${mark.digest}`, at)
    const leftMs = msUntilSettled(settling, neededMs, at)
    if (leftMs === 0) return use(mark, at - settling.since)
    if (settling.since === at && keepsChanging(settling, at))
      tell({ place: file, path: '', message: changesAllTheTime })
    lookIn(leftMs)
  }

  const look = async (next: 'look' | 'use'): Promise<void> => {
    if (again !== 'use') again = next
    if (looking) return
    looking = true
    while (again !== null && !closed) {
      const isWanted: boolean = again === 'use'
      again = null
      await lookOnce(isWanted)
    }
    looking = false
  }

  const lookIn = (ms: number) => {
    clearTimeout(pending)
    pending = setTimeout(() => {
      pendingSince = null
      void look('look')
    }, ms).unref()
  }

  const lookSoon = (event: string, name: string | null) => {
    // Other files of the directory may change all the time; what matters is the file, or `..data` and its like.
    if (name !== null && name !== basename(file) && !name.startsWith('..')) return
    if (event === 'change' && name === basename(file)) wasWritten = true
    pendingSince ??= now()
    lookIn(Math.min(debounceMs, Math.max(0, pendingSince + longestDebounceMs - now())))
  }

  /** Watches anew each time: a directory that was removed and made again is another one, and the old watch is dead. */
  const watchDirectory = () => {
    const old = watcher
    watcher = undefined
    try {
      watcher = watch(dirname(file), { persistent: false }, lookSoon)
      watcher.on('error', () => watcher?.close())
    } catch {
      // No such directory, or no inotify watch left: the slow look goes on, and says so if the file cannot be read.
    }
    old?.close()
  }

  const lookAround = async () => {
    // To watch a directory that hangs would stop the whole process, because Node.js asks for that on the main thread.
    if (!(await hangs(dirname(file), deadlineMs)) && !closed) watchDirectory()
    await look('look')
  }

  const poll = setInterval(() => void lookAround(), pollMs).unref()
  watchDirectory()
  // What changed between reading `seen` and watching.
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

const changesAllTheTime =
  'the file keeps changing, and may be half written: what is in it is used once it stays the same for a second, or on SIGHUP'
