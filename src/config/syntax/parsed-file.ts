import { readDocument } from '../document.ts'
import { type Finding, formatLocation, locateFindings, type Problem } from '../problem.ts'
import { FileSettings, findingsOf } from '../settings.ts'
import type { SourceLocation } from './yaml.ts'

/** A configuration file: its name, as problems show it, and its text. */
export type ConfigFile = { readonly name: string; readonly text: string }

/** The parsed file, and the places of its values. If there are problems, `settings` must not be used. */
export type ParsedFile = {
  readonly settings: FileSettings
  readonly problems: readonly Problem[]
  locate(findings: readonly Finding[]): Problem[]
  /** The place of each service. */
  readonly sourceLocations: ReadonlyMap<string, SourceLocation>
}

/** Parses the text of a file and validates it. Without a file all settings are absent. */
export function readParsedFile(file: ConfigFile | null): ParsedFile {
  const emptyFile: ParsedFile = { settings: {}, problems: [], locate: () => [], sourceLocations: new Map() }
  if (file === null) return emptyFile
  const read = readDocument(file.name, file.text)
  if (!read.ok) {
    const problems = read.flaws.map((flaw) => ({
      place: formatLocation(file.name, flaw),
      path: '',
      message: flaw.message,
    }))
    return { ...emptyFile, problems }
  }
  const { document } = read
  const locate: ParsedFile['locate'] = (findings) => locateFindings(file.name, document, findings)
  if (document.value === null) {
    const message =
      'the file is empty: write services: { name: { targets: [host:port] } }, or services: {} for none yet'
    return { ...emptyFile, problems: locate([{ path: [], part: 'value', message }]) }
  }
  const parsed = FileSettings.safeParse(document.value)
  return {
    settings: parsed.data ?? {},
    problems: parsed.success ? [] : locate(findingsOf(parsed.error)),
    locate,
    sourceLocations: document.keysIn('services'),
  }
}
