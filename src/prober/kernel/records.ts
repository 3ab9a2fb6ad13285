import { Answer, type IcmpError, type Outcome, Reason } from '../../domain/outcome.ts'
import type { Close } from '../../domain/policy-settings.ts'
import { type Dial, type Ending, roundLatency } from '../dialler.ts'
import { errnoName } from '../errno.ts'
import type { Libc } from './libc.ts'
import {
  addressWords,
  allocateAddress,
  copyWords,
  layOutAddress,
  layOutDialled,
  readAddress,
  readZonedIp,
} from './sockaddr.ts'

/**
 * What the two threads tell each other: records of numbers laid end to end, which a message carries at a fraction of the
 * cost of objects.
 */
export type Batch = Float64Array

/** A dial to make, as the worker sees it. The slot is told with what came of it. */
export type SlottedDial = Pick<Dial, 'deadline' | 'close' | 'urgent'> & {
  readonly slot: number
  /** The address lies in `batch` from `at` on, word by word. */
  readonly batch: Batch
  readonly at: number
}

/** The deadline of a record that is no dial, but cancels the one in its slot. No dial has it, because every clock is past it. */
export const cancelled = Number.NEGATIVE_INFINITY

/** What came of a dial, as the worker sees it. `errno` is the error's number; null when there was none. `gateway` is the one that does not answer. */
export type Finding = Pick<Outcome, 'reason' | 'endedAt' | 'latencyMs' | 'synRetransmits' | 'answer' | 'icmp'> & {
  readonly slot: number
  readonly errno: number | null
  readonly gateway: string | null
}

const reasons = Reason.options
const answers = Answer.options
const closes: readonly Close[] = ['half-open', 'rst', 'fin']
const dialHead = 4
const dialLength = dialHead + addressWords
/** An ICMP message adds the address of its sender, a silent gateway its own. There is never both. */
const findingLength = 10
/** Where a number has no value. */
const none = -1

/** Packs records, and takes them out again. */
export type Records = ReturnType<typeof createRecords>

export function createRecords(libc: Libc) {
  const address = allocateAddress(libc)
  const { words } = address

  function packAddress(into: number[]): void {
    for (let i = 0; i < addressWords; i++) into.push(words[i] ?? 0)
  }

  function unpackIcmp(batch: Batch, at: number): IcmpError | null {
    const version = batch[at]
    if (version !== 4 && version !== 6) return null
    copyWords(batch, at + 3, words)
    return { version, type: batch[at + 1] ?? 0, code: batch[at + 2] ?? 0, from: readAddress(libc, address)?.ip ?? null }
  }

  function unpackGateway(batch: Batch, at: number): string {
    copyWords(batch, at, words)
    return readZonedIp(libc, address)
  }

  return {
    /** Adds a dial to a batch in the making. `aheadMs` is how far the prober's clock is ahead of the worker's. */
    packDial(into: number[], slot: number, { ip, port, deadline, close, urgent }: Dial, aheadMs = 0): void {
      into.push(slot, deadline - aheadMs, closes.indexOf(close), urgent ? 1 : 0)
      layOutDialled(libc, ip, port, address)
      packAddress(into)
    },

    /** Adds the cancelling of a dial to a batch in the making, in its place among the dials. */
    packCancel(into: number[], slot: number): void {
      into.push(slot, cancelled, none, 0)
      words.fill(0)
      packAddress(into)
    },

    /** The dials of a batch. */
    unpackDials(batch: Batch): SlottedDial[] {
      const dials: SlottedDial[] = []
      for (let at = 0; at < batch.length; at += dialLength) {
        dials.push({
          slot: batch[at] ?? none,
          deadline: batch[at + 1] ?? 0,
          close: closes[batch[at + 2] ?? none] ?? 'rst',
          urgent: batch[at + 3] === 1,
          batch,
          at: at + dialHead,
        })
      }
      return dials
    },

    /** Adds a finding to a batch in the making. */
    packFinding(into: number[], finding: Finding): void {
      const { slot, endedAt, latencyMs, synRetransmits, reason, answer, errno, icmp, gateway } = finding
      into.push(slot, endedAt, latencyMs ?? none, synRetransmits ?? none, reasons.indexOf(reason))
      into.push(answer === null ? none : answers.indexOf(answer), errno ?? none)
      into.push(icmp?.version ?? none, icmp?.type ?? none, icmp?.code ?? none)
      if (icmp === null && gateway === null) return
      const ip = icmp === null ? gateway : icmp.from
      if (ip === null) words.fill(0)
      else layOutAddress(libc, ip, 0, address)
      packAddress(into)
    },

    /** Tells the ending of every dial in a batch. `aheadMs` is how far the prober's clock is ahead of the worker's. */
    unpackFindings(batch: Batch, tell: (slot: number, ending: Ending) => void, aheadMs = 0): void {
      let at = 0
      while (at < batch.length) {
        const latencyMs = orNull(batch[at + 2])
        const errno = orNull(batch[at + 6])
        const icmp = unpackIcmp(batch, at + 7)
        const slot = batch[at] ?? none
        const answer = answers[batch[at + 5] ?? none] ?? null
        const gateway = answer === 'no-gateway' ? unpackGateway(batch, at + findingLength) : null
        const ending: Ending = {
          reason: reasons[batch[at + 4] ?? none] ?? 'local',
          endedAt: (batch[at + 1] ?? 0) + aheadMs,
          latencyMs: latencyMs === null ? null : roundLatency(latencyMs),
          synRetransmits: orNull(batch[at + 3]),
          answer,
          icmp,
          code: gateway ?? (errno === null ? null : errnoName(errno)),
        }
        at += icmp === null && gateway === null ? findingLength : findingLength + addressWords
        tell(slot, ending)
      }
    },
  }
}

function orNull(number: number | undefined): number | null {
  return number === undefined || number === none ? null : number
}
