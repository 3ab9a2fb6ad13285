import { answers, type IcmpError, type Outcome, reasons } from '../../domain/check/outcome.ts'
import type { Close } from '../../domain/service/policy-settings.ts'
import { type Dial, type DialResult, roundLatency } from '../dialler.ts'
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
 * A message between the two threads: records of numbers, one after the other. Numbers cost a fraction of objects in a message.
 */
export type Batch = Float64Array

/** A dial to make, as the worker sees it. Its result carries the same slot. */
export type SlottedDial = Pick<Dial, 'deadline' | 'close' | 'urgent'> & {
  readonly slot: number
  /** The batch that has the address, one word per number, from `at` on. */
  readonly batch: Batch
  readonly at: number
}

/** The deadline of a record that cancels the dial in its slot. No dial has this deadline, because it lies before every instant. */
export const cancelled = Number.NEGATIVE_INFINITY

/** The result of a dial, as the worker sees it. `errno` is the error number, or null. `gateway` is the gateway that does not answer, or null. */
export type KernelResult = Pick<Outcome, 'reason' | 'endedAt' | 'latencyMs' | 'synRetransmits' | 'answer' | 'icmp'> & {
  readonly slot: number
  readonly errno: number | null
  readonly gateway: string | null
}

const closes: readonly Close[] = ['half-open', 'rst', 'fin']
const dialHead = 4
const dialLength = dialHead + addressWords
/** The length without an address. An ICMP message adds the address of its sender, a silent gateway adds its own. No result has both. */
const kernelResultLength = 10
/** The number that stands for null. */
const none = -1

/** Code that packs and unpacks records. */
export type Records = ReturnType<typeof createRecords>

/** Creates the code that packs and unpacks records, with memory that is allocated once. */
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
    /** Appends a dial to a batch. `aheadMs` is how far the clock of the prober is ahead of that of the worker, in milliseconds. */
    packDial(into: number[], slot: number, { ip, port, deadline, close, urgent }: Dial, aheadMs = 0): void {
      into.push(slot, deadline - aheadMs, closes.indexOf(close), urgent ? 1 : 0)
      layOutDialled(libc, ip, port, address)
      packAddress(into)
    },

    /** Appends a record that cancels a dial to a batch, in order with the dials. */
    packCancel(into: number[], slot: number): void {
      into.push(slot, cancelled, none, 0)
      words.fill(0)
      packAddress(into)
    },

    /** Returns the dials of a batch. */
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

    /** Appends a result to a batch. */
    packKernelResult(into: number[], kernelResult: KernelResult): void {
      const { slot, endedAt, latencyMs, synRetransmits, reason, answer, errno, icmp, gateway } = kernelResult
      into.push(slot, endedAt, latencyMs ?? none, synRetransmits ?? none, reasons.indexOf(reason))
      into.push(answer === null ? none : answers.indexOf(answer), errno ?? none)
      into.push(icmp?.version ?? none, icmp?.type ?? none, icmp?.code ?? none)
      if (icmp === null && gateway === null) return
      const ip = icmp === null ? gateway : icmp.from
      if (ip === null) words.fill(0)
      else layOutAddress(libc, ip, 0, address)
      packAddress(into)
    },

    /** Calls `tell` for every result in a batch. `aheadMs` is how far the clock of the prober is ahead of that of the worker, in milliseconds. */
    unpackFindings(batch: Batch, report: (slot: number, dialResult: DialResult) => void, aheadMs = 0): void {
      let at = 0
      while (at < batch.length) {
        const latencyMs = orNull(batch[at + 2])
        const errno = orNull(batch[at + 6])
        const icmp = unpackIcmp(batch, at + 7)
        const slot = batch[at] ?? none
        const answer = answers[batch[at + 5] ?? none] ?? null
        const gateway = answer === 'no-gateway' ? unpackGateway(batch, at + kernelResultLength) : null
        const dialResult: DialResult = {
          reason: reasons[batch[at + 4] ?? none] ?? 'local',
          endedAt: (batch[at + 1] ?? 0) + aheadMs,
          latencyMs: latencyMs === null ? null : roundLatency(latencyMs),
          synRetransmits: orNull(batch[at + 3]),
          answer,
          icmp,
          code: gateway ?? (errno === null ? null : errnoName(errno)),
        }
        at += icmp === null && gateway === null ? kernelResultLength : kernelResultLength + addressWords
        report(slot, dialResult)
      }
    },
  }
}

function orNull(number: number | undefined): number | null {
  return number === undefined || number === none ? null : number
}
