import type { Answer, IcmpError, Reason } from '../../domain/outcome.ts'
import type { Close } from '../../domain/service.ts'
import type { Dial, Ending } from '../dialler.ts'

/**
 * What the two threads tell each other: batches of records laid end to end in one flat array, which a message carries at a
 * quarter of the cost of an array of objects.
 */
export type Batch = (number | string | null)[]

/** A dial to make. The slot is told with what came of it. */
export type SlottedDial = Dial & { readonly slot: number }

/** What came of a dial. */
export type Finding = { readonly slot: number; readonly ending: Ending }

const closes: readonly Close[] = ['half-open', 'rst', 'fin']

/** Adds a dial to a batch. */
export function packDial(batch: Batch, { slot, ip, port, deadline, close, urgent }: SlottedDial): void {
  batch.push(slot, ip, port, deadline, closes.indexOf(close), urgent ? 1 : 0)
}

/** The dials of a batch. */
export function* unpackDials(batch: Batch): Generator<SlottedDial> {
  for (let at = 0; at < batch.length; at += 6) {
    yield {
      slot: batch[at] as number,
      ip: batch[at + 1] as string,
      port: batch[at + 2] as number,
      deadline: batch[at + 3] as number,
      close: closes[batch[at + 4] as number] ?? 'rst',
      urgent: batch[at + 5] === 1,
    }
  }
}

/** Adds a finding to a batch. */
export function packFinding(batch: Batch, { slot, ending }: Finding): void {
  const { reason, endedAt, latencyMs, synRetransmits, answer, code, icmp } = ending
  batch.push(slot, reason, endedAt, latencyMs, synRetransmits, answer, code)
  batch.push(icmp?.version ?? null, icmp?.type ?? null, icmp?.code ?? null, icmp?.from ?? null)
}

/** The findings of a batch. */
export function* unpackFindings(batch: Batch): Generator<Finding> {
  for (let at = 0; at < batch.length; at += 11) {
    const version = batch[at + 7] as IcmpError['version'] | null
    const icmp: IcmpError | null =
      version === null
        ? null
        : {
            version,
            type: batch[at + 8] as number,
            code: batch[at + 9] as number,
            from: batch[at + 10] as string | null,
          }
    yield {
      slot: batch[at] as number,
      ending: {
        reason: batch[at + 1] as Reason,
        endedAt: batch[at + 2] as number,
        latencyMs: batch[at + 3] as number | null,
        synRetransmits: batch[at + 4] as number | null,
        answer: batch[at + 5] as Answer | null,
        code: batch[at + 6] as string | null,
        icmp,
      },
    }
  }
}
