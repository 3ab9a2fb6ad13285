import { escapeUnseen } from '../domain/quote.ts'
import type { Document } from './document.ts'
import type { Place } from './yaml.ts'

/** What is wrong with the input (or advice about it): where it stands, which field it is, and what to write instead. */
export type Problem = {
  /** `porthole.yaml:7:14`, the name of a variable, or an argument. */
  readonly place: string
  /** `services.postgres.timeout`; empty when it is about no field. */
  readonly path: string
  readonly message: string
}

/** Something to say about a field, before anyone has looked up where in the file it stands. */
export type Finding = {
  readonly path: readonly PropertyKey[]
  /** Which half of `key: value` it is about. */
  readonly part: 'key' | 'value'
  readonly message: string
}

/** One line for people: `porthole.yaml:7:14: services.postgres.timeout: 2 has no unit: write 2s, or 2m`. */
export function formatProblem({ place, path, message }: Problem): string {
  return [place, path, message].filter((part) => part !== '').join(': ')
}

/** `['services', 'db.eu', 'targets', 0]` as `services."db.eu".targets[0]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      const name = String(step)
      return (index === 0 ? '' : '.') + (/^[\w-]+$/.test(name) ? name : escapeUnseen(JSON.stringify(name)))
    })
    .join('')
}

/** Findings as problems, in the order of the file. */
export function locateFindings(fileName: string, document: Document, findings: readonly Finding[]): Problem[] {
  return findings
    .map((finding) => ({ ...finding, ...document.locate(finding.path, finding.part) }))
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map(({ path, message, ...place }) => ({ place: formatPlace(fileName, place), path: formatPath(path), message }))
}

/** `porthole.yaml:7:14` */
export function formatPlace(fileName: string, { line, column }: Place): string {
  return `${fileName}:${line}:${column}`
}
