import type { Clock } from '../../clock.ts'
import { createQueue } from '../../queue.ts'
import { descriptorLimit } from '../descriptors.ts'
import { type Dialler, type Ending, proberOf } from '../dialler.ts'
import { errnoName } from '../errno.ts'
import type { Prober } from '../prober.ts'
import type { Resolver } from '../resolver.ts'
import { epollEventSize } from './epoll.ts'
import { type Libc, loadLibc } from './libc.ts'
import { offsetFromMonotonic } from './monotonic.ts'
import { type Batch, createRecords } from './records.ts'
import { type RunningWorker, runWorker } from './running-worker.ts'

// eventfd(2)
const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000
/** A worker that dies again and again is not started more often than this, in milliseconds. */
const restartMs = 1000
/** So long findings are told of before whatever else waits gets its turn of the event loop, in milliseconds. */
const tellMs = 5
/** Descriptors above this are not tracked: a limit may be a billion, and the kernel hands out the lowest that is free. */
const mostFds = 2 ** 20
/** The error's name in the outcomes of checks that a dying worker took along. */
const workerDied = 'EWORKERDIED'

export type KernelParts = {
  readonly clock: Clock
  readonly resolver: Resolver
  /** How much of the clock's instants is time in which the machine was suspended, in milliseconds: the worker's clock stands still then. */
  readonly suspendedMs?: (() => number) | undefined
  readonly maxExtraDials?: number | undefined
}

/** A dial whose finding is awaited. */
type Pending = (ending: Ending | undefined) => void

const ignoreEnding: Pending = () => {}

/** Starts the kernel prober, or says in a sentence why it cannot run here. The resolver is its own only if it starts. */
export async function startKernelProber({
  clock,
  resolver,
  suspendedMs = () => 0,
  maxExtraDials,
}: KernelParts): Promise<Prober | string> {
  try {
    epollEventSize(process.arch)
    const libc = await loadLibc()
    const { dialler, stalledSince } = await startDialler(libc, clock, suspendedMs)
    return { ...proberOf(dialler, { clock, resolver, maxExtraDials }), stalledSince }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

type Started = { readonly dialler: Dialler<number>; readonly stalledSince: () => number | null }

async function startDialler(libc: Libc, clock: Clock, suspendedMs: () => number): Promise<Started> {
  // Shared, so that what a worker that died left open can be closed from here.
  const openFds = new Uint8Array(new SharedArrayBuffer(Math.min(descriptorLimit() ?? mostFds, mostFds)))
  /** When the worker last took a turn, on its own clock. */
  const turnedAt = new Float64Array(new SharedArrayBuffer(8))
  const wakeFd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  if (wakeFd < 0) throw new Error(`eventfd failed (${errnoName(libc.errno())})`)
  const wakeCount = libc.allocate(8)
  wakeCount.words[0] = 1
  const records = createRecords(libc)
  /** Who waits for the finding of each slot. */
  const pending: (Pending | undefined)[] = []
  const freeSlots: number[] = []
  let outbox: number[] = []
  const untold = createQueue<Batch>()
  let restarts = 0
  let closing = false
  let closed: Promise<void> | undefined
  let startedAt = clock.now()
  let restarting: NodeJS.Timeout | undefined
  /** Null while the last one is dead and the next not ready. */
  let worker: RunningWorker | null = null
  /** Settles once the latest worker is ready, or is known not to start. */
  let starting = start()
  await starting.catch((error) => {
    libc.close(wakeFd)
    throw error
  })

  async function start(): Promise<void> {
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
    if (untold.length === 0) setImmediate(tellSome)
    untold.push(findings)
  }

  /** Where findings come in faster than they can be told of, to tell of all that are there would be to do nothing else. */
  function tellSome(): void {
    const end = clock.now() + tellMs
    do tellNext()
    while (untold.length > 0 && clock.now() < end)
    if (untold.length > 0) setImmediate(tellSome)
  }

  function tellNext(): void {
    const findings = untold.shift()
    if (findings !== undefined) records.unpackFindings(findings, settle, suspendedMs())
  }

  function settle(slot: number, ending: Ending | undefined): void {
    const ended = pending[slot]
    if (ended === undefined) return
    pending[slot] = undefined
    freeSlots.push(slot)
    ended(ending)
  }

  function settleAll(endingOfEach: () => Ending | undefined): void {
    for (let slot = 0; slot < pending.length; slot++) settle(slot, endingOfEach())
  }

  function wake(): void {
    libc.write(wakeFd, wakeCount.address, 8)
  }

  /** Once a turn of the event loop, with everything the turn asked for: hand-overs cost more than checks. */
  function flush(): void {
    // Once closed, the descriptor to wake with may be somebody else's.
    if (closing) return
    const batch = new Float64Array(outbox)
    outbox = []
    worker?.post(batch)
    wake()
  }

  /** The checks under way are lost through no fault of their targets. */
  function onDeath(): void {
    worker = null
    outbox = []
    reclaim()
    if (closing) return
    restarts++
    while (untold.length > 0) tellNext()
    settleAll(lost)
    restarting = setTimeout(restart, clock.now() - startedAt > restartMs ? 0 : restartMs)
  }

  /** Closes what a worker that is no more left open. */
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
    settleAll(() => undefined)
    // A worker that is not ready yet cannot be told to end, and holds on to the descriptor it is woken with.
    await Promise.allSettled([starting])
    if (worker !== null) {
      worker.post('close')
      wake()
      await worker.exited
    }
    libc.close(wakeFd)
  }

  function lost(): Ending {
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
      // The slot stays taken until its finding is in: one may be on its way already, and must not end another dial.
      pending[slot] = ignoreEnding
      if (outbox.length === 0) setImmediate(flush)
      records.packCancel(outbox, slot)
    },
    close() {
      closing = true
      // Once only: a descriptor closed twice is somebody else's the second time.
      closed ??= shutDown()
      return closed
    },
  }

  return { dialler, stalledSince: () => (worker === null ? null : (turnedAt[0] as number) + suspendedMs()) }
}
