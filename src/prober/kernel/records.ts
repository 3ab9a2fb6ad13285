import type { IcmpError } from '../../domain/outcome.ts'
import type { Close } from '../../domain/service.ts'

/**
 * What the two threads tell each other: batches of records laid end to end in one flat array, which a message carries at a
 * quarter of the cost of an array of objects.
 */
export type Batch = (number | string | null)[]

/** A dial to make. `deadline` is an instant of the prober's clock, in milliseconds. */
export type Dial = {
  readonly slot: number
  readonly ip: string
  readonly port: number
  readonly deadline: number
  readonly close: Close
  /** Somebody is waiting: its outcome is not held back for a batch. */
  readonly urgent: boolean
}

/** What came of a dial. Instants are of the prober's clock, in milliseconds. */
export type Finding = {
  readonly slot: number
  readonly endedAt: number
  /** How long the handshake took, or the refusal, in milliseconds; null when nothing answered. */
  readonly latencyMs: number | null
  /** 0: connected; null: the deadline came first. */
  readonly errno: number | null
  /** The call itself failed, before anything was sent. */
  readonly atOnce: boolean
  /** SYNs sent again. */
  readonly synRetransmits: number | null
  readonly icmp: IcmpError | null
  /** The ICMP message came from this machine. */
  readonly icmpFromSelf: boolean
}

const closes: readonly Close[] = ['half-open', 'rst', 'fin']

/** Adds a dial to a batch. */
export function packDial(batch: Batch, { slot, ip, port, deadline, close, urgent }: Dial): void {
  batch.push(slot, ip, port, deadline, closes.indexOf(close), urgent ? 1 : 0)
}

/** The dials of a batch. */
export function* unpackDials(batch: Batch): Generator<Dial> {
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
export function packFinding(batch: Batch, finding: Finding): void {
  batch.push(
    finding.slot,
    finding.endedAt,
    finding.latencyMs,
    finding.errno,
    finding.atOnce ? 1 : 0,
    finding.synRetransmits,
    finding.icmp?.version ?? null,
    finding.icmp?.type ?? null,
    finding.icmp?.code ?? null,
    finding.icmp?.from ?? null,
    finding.icmpFromSelf ? 1 : 0,
  )
}

/** The findings of a batch. */
export function* unpackFindings(batch: Batch): Generator<Finding> {
  for (let at = 0; at < batch.length; at += 11) {
    const [version, type, code, from] = batch.slice(at + 6, at + 10) as [4 | 6, number, number, string] | null[]
    yield {
      slot: batch[at] as number,
      endedAt: batch[at + 1] as number,
      latencyMs: batch[at + 2] as number | null,
      errno: batch[at + 3] as number | null,
      atOnce: batch[at + 4] === 1,
      synRetransmits: batch[at + 5] as number | null,
      icmp: version == null ? null : ({ version, type, code, from } as IcmpError),
      icmpFromSelf: batch[at + 10] === 1,
    }
  }
}
