import type { Clock } from '../../runtime/clock.ts'
import { createQueue } from '../../runtime/queue.ts'
import { descriptorLimit } from '../descriptors.ts'
import { type Dialler, type DialResult, proberOf } from '../dialler.ts'
import { errnoName } from '../errno.ts'
import type { Resolver } from '../lookup/resolver.ts'
import type { Prober } from '../prober.ts'
import { epollEventSize } from './epoll.ts'
import { type Libc, loadLibc } from './libc.ts'
import { offsetFromMonotonic } from './monotonic.ts'
import { type Batch, createRecords } from './records.ts'
import type { RunningLoop } from './running-worker.ts'

// eventfd(2)
const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000
/** The shortest time between two starts of a worker that keeps dying, in milliseconds. */
const restartMs = 1000
/** How long dial results are handled before the event loop gets its turn, in milliseconds. */
const reportBudgetMs = 5
/** The highest number of tracked descriptors. The limit may be a billion, but the kernel hands out the lowest free descriptor. */
const mostFds = 2 ** 20
/** The name of the error in the outcomes of checks that were lost with a worker. */
const workerDied = 'EWORKERDIED'

export type KernelParts = {
  readonly clock: Clock
  readonly resolver: Resolver
  /** Returns how long the machine was suspended since the start of `clock`, in milliseconds. The clock of the worker stops during that time. */
  readonly suspendedMs?: (() => number) | undefined
  readonly maxExtraDials?: number | undefined
  /** Whether the dial loop runs on the calling thread. By default it has a thread of its own. */
  readonly onCallingThread?: boolean | undefined
}

/** The callback of a dial in flight. */
type Pending = (dialResult: DialResult | undefined) => void

const ignoreDialResult: Pending = () => {}

/** Starts the kernel prober. Returns a sentence with the reason if it cannot run here. The prober owns the resolver only if it starts. */
export async function startKernelProber({
  clock,
  resolver,
  suspendedMs = () => 0,
  maxExtraDials,
  onCallingThread = false,
}: KernelParts): Promise<Prober | string> {
  try {
    epollEventSize(process.arch)
    const libc = await loadLibc()
    const { dialler, stalledSince } = await startDialler(libc, clock, suspendedMs, onCallingThread)
    return { ...proberOf(dialler, { clock, resolver, maxExtraDials }), stalledSince }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

type Started = { readonly dialler: Dialler<number>; readonly stalledSince: () => number | null }

async function startDialler(
  libc: Libc,
  clock: Clock,
  suspendedMs: () => number,
  onCallingThread: boolean,
): Promise<Started> {
  // Shared memory, so that this thread can close the descriptors of a worker that died.
  const openFds = new Uint8Array(new SharedArrayBuffer(Math.min(descriptorLimit() ?? mostFds, mostFds)))
  /** When the worker last began a turn, on its own clock. */
  const turnedAt = new Float64Array(new SharedArrayBuffer(8))
  const wakeFd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  if (wakeFd < 0) throw new Error(`eventfd failed (${errnoName(libc.errno())})`)
  const wakeCount = libc.allocate(8)
  wakeCount.words[0] = 1
  const records = createRecords(libc)
  /** The callback of the dial in each slot. */
  const pending: (Pending | undefined)[] = []
  const freeSlots: number[] = []
  let outbox: number[] = []
  const unreported = createQueue<Batch>()
  let restarts = 0
  let closing = false
  let closed: Promise<void> | undefined
  let startedAt = clock.now()
  let restarting: NodeJS.Timeout | undefined
  /** The dial loop; null while the last worker is dead and the next one is not ready. */
  let worker: RunningLoop | null = null
  /** A promise that settles once the latest worker is ready or has failed to start. */
  let starting = start()
  await starting.catch((error) => {
    libc.close(wakeFd)
    throw error
  })

  async function start(): Promise<void> {
    if (onCallingThread) {
      const { runOnCallingThread } = await import('./calling-thread.ts')
      worker = runOnCallingThread({ libc, wakeFd, now: () => clock.now() - suspendedMs(), receive })
      return
    }
    // A dynamic import, so that the main thread of a server does not load the loop, and a command does not load threads.
    const { runWorker } = await import('./running-worker.ts')
    startedAt = clock.now()
    turnedAt[0] = startedAt - suspendedMs()
    const data = { wakeFd, openFds, turnedAt, clockOffset: offsetFromMonotonic(clock.now) - suspendedMs() }
    try {
      worker = await runWorker(data, receive, onDeath)
    } catch (error) {
      reclaim()
      throw error
    }
  }

  function receive(findings: Batch): void {
    if (unreported.length === 0) setImmediate(reportSome)
    unreported.push(findings)
  }

  /** Handles received results for a few milliseconds, then yields. If results arrive faster than that, handling all of them would block the event loop. */
  function reportSome(): void {
    const end = clock.now() + reportBudgetMs
    do reportNext()
    while (unreported.length > 0 && clock.now() < end)
    if (unreported.length > 0) setImmediate(reportSome)
  }

  function reportNext(): void {
    const findings = unreported.shift()
    if (findings !== undefined) records.unpackFindings(findings, endDial, suspendedMs())
  }

  function endDial(slot: number, dialResult: DialResult | undefined): void {
    const ended = pending[slot]
    if (ended === undefined) return
    pending[slot] = undefined
    freeSlots.push(slot)
    ended(dialResult)
  }

  function endAllDials(dialResultOfEach: () => DialResult | undefined): void {
    for (let slot = 0; slot < pending.length; slot++) endDial(slot, dialResultOfEach())
  }

  function wake(): void {
    libc.write(wakeFd, wakeCount.address, 8)
  }

  /** Sends all dials of this turn of the event loop to the worker in one batch, because a hand-over costs more than a check. */
  function flush(): void {
    // After the close, the number of the wake descriptor may belong to another file.
    if (closing) return
    const batch = new Float64Array(outbox)
    outbox = []
    worker?.post(batch)
    wake()
  }

  /** Ends the checks in flight as our own fault and starts another worker. */
  function onDeath(): void {
    worker = null
    outbox = []
    reclaim()
    if (closing) return
    restarts++
    while (unreported.length > 0) reportNext()
    endAllDials(lost)
    restarting = setTimeout(restart, clock.now() - startedAt > restartMs ? 0 : restartMs)
  }

  /** Closes the descriptors that a dead worker left open. */
  function reclaim(): void {
    for (let fd = openFds.indexOf(1); fd !== -1; fd = openFds.indexOf(1, fd + 1)) libc.close(fd)
    openFds.fill(0)
  }

  async function restart(): Promise<void> {
    try {
      starting = start()
      await starting
    } catch {
      if (!closing) restarting = setTimeout(restart, restartMs)
    }
  }

  async function shutDown(): Promise<void> {
    clearTimeout(restarting)
    endAllDials(() => undefined)
    // A worker that is not ready yet does not receive `close`, and still uses the wake descriptor.
    await Promise.allSettled([starting])
    if (worker !== null) {
      worker.post('close')
      wake()
      await worker.exited
    }
    libc.close(wakeFd)
  }

  function lost(): DialResult {
    return {
      reason: 'local',
      endedAt: clock.now(),
      latencyMs: null,
      synRetransmits: null,
      answer: null,
      icmp: null,
      code: workerDied,
    }
  }

  const dialler: Dialler<number> = {
    name: 'kernel',
    restarts: () => restarts,
    dial(dial, ended) {
      if (worker === null || closing) {
        queueMicrotask(() => ended(closing ? undefined : lost()))
        return null
      }
      const slot = freeSlots.pop() ?? pending.length
      pending[slot] = ended
      if (outbox.length === 0) setImmediate(flush)
      records.packDial(outbox, slot, dial, suspendedMs())
      return slot
    },
    cancel(slot) {
      if (pending[slot] === undefined || worker === null || closing) return
      // The slot stays taken until its result arrives. A result may be on its way already, and must not end another dial.
      pending[slot] = ignoreDialResult
      if (outbox.length === 0) setImmediate(flush)
      records.packCancel(outbox, slot)
    },
    close() {
      closing = true
      // Runs once, because a second close of the same number could close another file.
      closed ??= shutDown()
      return closed
    },
  }

  return {
    dialler,
    stalledSince: () => (worker === null || onCallingThread ? null : (turnedAt[0] as number) + suspendedMs()),
  }
}
