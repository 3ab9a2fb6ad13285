import type { Answer } from './answers.ts'
import type { Operation } from './document.ts'

/** How a request was generated; `bytes` are the raw bytes of a connection. */
export type Kind = 'valid' | 'nearly valid' | 'wild' | 'bytes'

/** A mistake of the server, with the first request that showed it. */
export type Finding = {
  readonly operation: string
  readonly complaint: string
  readonly request: string
  times: number
}

/** The result of a run. */
export type Report = {
  readonly findings: readonly Finding[]
  /** Operations that answered no valid request with success. */
  readonly unserved: readonly string[]
  /** Lines with the number of requests of each kind, and of answers by status for each operation. */
  readonly lines: readonly string[]
}

/** Counts requests and answers, and collects complaints about answers. */
export function takeNotes(operations: readonly Operation[]) {
  const findings = new Map<string, Finding>()
  const kinds = new Map<Kind, number>()
  const statuses = new Map<string, Map<number, number>>()
  const served = new Set<string>()
  /** The first request of each operation whose answer had the security header, and the first whose answer had not. */
  const secured = new Map<Operation | undefined, string>()
  const bare = new Map<Operation | undefined, string>()
  const nameOf = (operation: Operation | undefined) => operation?.name ?? 'no operation'

  function complain(operation: Operation | undefined, complaint: string, request: string): void {
    const key = `${nameOf(operation)}: ${complaint}`
    const finding = findings.get(key) ?? { operation: nameOf(operation), complaint, request, times: 0 }
    finding.times += 1
    findings.set(key, finding)
  }

  return {
    complain,
    count(kind: Kind, operation: Operation | undefined, { status, headers }: Answer) {
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      const seen = statuses.get(nameOf(operation)) ?? new Map()
      statuses.set(nameOf(operation), seen)
      seen.set(status, (seen.get(status) ?? 0) + 1)
      const isProblem = headers['content-type']?.startsWith('application/problem+json') ?? false
      if (kind === 'valid' && operation !== undefined && (status < 400 || (status === 503 && !isProblem)))
        served.add(operation.name)
    },
    secured(operation: Operation | undefined, { headers }: Answer, shown: string) {
      const noted = 'x-content-type-options' in headers ? secured : bare
      if (!noted.has(operation)) noted.set(operation, shown)
    },
    report(): Report {
      // If any answer has the security header, all must have it.
      if (secured.size > 0)
        for (const [operation, shown] of bare)
          complain(operation, 'x-content-type-options is missing, and is there elsewhere', shown)
      return {
        findings: [...findings.values()],
        unserved: operations.filter(({ name }) => !served.has(name)).map(({ name }) => name),
        lines: [countsOf(kinds), ...[...statuses].sort().map(([name, seen]) => `${name}: ${countsOf(seen)}`)],
      }
    },
  }
}

const countsOf = (counts: ReadonlyMap<unknown, number>) =>
  [...counts]
    .map((pair) => pair.join(' × '))
    .sort((one, other) => one.localeCompare(other))
    .join(', ')
