import { type Document, readDocument } from './document.ts'
import { checkGroups } from './groups.ts'
import { type Finding, locateFindings, type Problem } from './problem.ts'
import { FileSettings, findingsOf } from './settings.ts'

/** A configuration file's name, as its problems are to show it, and its text. */
export type ConfigFile = { readonly name: string; readonly text: string }

/** What the file says, and a way back to where it says it. With problems, `settings` is not to be used. */
export type Written = {
  readonly settings: FileSettings
  readonly problems: readonly Problem[]
  locate(findings: readonly Finding[]): Problem[]
  /** Where a service of that name stands; null when the file has none. */
  placeOfService(name: string): string | null
}

/** Reads the file's text and checks it; no file says nothing. */
export function readWritten(file: ConfigFile | null): Written {
  const nothing: Written = { settings: {}, problems: [], locate: () => [], placeOfService: () => null }
  if (file === null) return nothing
  const read = readDocument(file.name, file.text)
  if (!read.ok) {
    const problems = read.flaws.map(({ line, column, message }) => ({
      place: `${file.name}:${line}:${column}`,
      path: '',
      message,
    }))
    return { ...nothing, problems }
  }
  const { document } = read
  const locate: Written['locate'] = (findings) => locateFindings(file.name, document, findings)
  if (document.value === null) {
    const message =
      'the file is empty: write services: { name: { targets: [host:port] } }, or services: {} for none yet'
    return { ...nothing, problems: locate([{ path: [], part: 'value', message }]) }
  }
  const parsed = FileSettings.safeParse(document.value)
  const findings = [...(parsed.success ? [] : findingsOf(parsed.error)), ...checkGroups(document.value)]
  return {
    settings: parsed.data ?? {},
    problems: locate(findings),
    locate,
    placeOfService: (name) => placeOfService(name, document, locate),
  }
}

function placeOfService(name: string, { value }: Document, locate: Written['locate']): string | null {
  const services = (value as { readonly services?: unknown }).services
  if (typeof services !== 'object' || services === null || !Object.hasOwn(services, name)) return null
  return locate([{ path: ['services', name], part: 'key', message: '' }])[0]?.place ?? null
}
