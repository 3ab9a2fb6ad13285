import { escapeUnseen } from '../domain/values/quote.ts'
import type { Document } from './document.ts'
import type { SourceLocation } from './syntax/yaml.ts'

/** A problem of the input, or advice about it: its place, its field, and the remedy. */
export type Problem = {
  /** The place: `porthole.yaml:7:14`, the name of a variable, or an argument. */
  readonly place: string
  /** The field, such as `services.postgres.timeout`; empty if the problem concerns no field. */
  readonly path: string
  readonly message: string
}

/** A problem or advice about a field, before its place in the file is known. */
export type Finding = {
  readonly path: readonly PropertyKey[]
  /** The half of `key: value` that it concerns. */
  readonly part: 'key' | 'value'
  readonly message: string
}

/** Returns the problem as a line: `porthole.yaml:7:14: services.postgres.timeout: 2 has no unit: write 2s, or 2m`. */
export function formatProblem({ place, path, message }: Problem): string {
  return [place, path, message].filter((part) => part !== '').join(': ')
}

/** Formats a path: `['services', 'db.eu', 'targets', 0]` becomes `services."db.eu".targets[0]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      const name = String(step)
      return (index === 0 ? '' : '.') + (/^[\w-]+$/.test(name) ? name : escapeUnseen(JSON.stringify(name)))
    })
    .join('')
}

/** Converts findings to problems, in the order of the file. */
export function locateFindings(fileName: string, document: Document, findings: readonly Finding[]): Problem[] {
  return findings
    .map((finding) => ({ ...finding, ...document.locate(finding.path, finding.part) }))
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map(({ path, message, ...place }) => ({ place: formatLocation(fileName, place), path: formatPath(path), message }))
}

/** Formats a place: `porthole.yaml:7:14`. */
export function formatLocation(fileName: string, { line, column }: SourceLocation): string {
  return `${fileName}:${line}:${column}`
}
