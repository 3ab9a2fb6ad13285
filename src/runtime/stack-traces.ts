/**
 * Makes stack traces name files and lines of `.ts` instead of those of dist/. `tools/build.ts` adds this file to the entry and to each program of a
 * thread. Code that runs from src/ does not need it.
 *
 * Node.js has `--enable-source-maps` for this. That option reads every map at the start, decodes a map into 70 MB, and skips packages that are
 * installed in node_modules. This file reads a map when the first stack trace needs it, and retains the positions that it found.
 */
import { readFileSync } from 'node:fs'

/** A source map without the fields that are not needed here (ECMA-426). */
type SourceMap = { readonly sources: readonly string[]; readonly mappings: string }
/** A position in a source of a map. Line and column are counted from 0. */
type Position = { readonly source: number; readonly line: number; readonly column: number }

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const valueOfDigit = new Uint8Array(128)
for (let value = 0; value < digits.length; value++) valueOfDigit[digits.charCodeAt(value)] = value

/**
 * Returns the position from which the code at a line and a column was made, both counted from 0; null if the map names none. Mappings are lines
 * that end with `;`, of segments that end with `,`. A segment has the differences of column, source, line and column there, in base64 VLQ.
 */
export function findPosition(mappings: string, line: number, column: number): Position | null {
  /** The sums of the differences: the column, then source, line and column there. */
  const sums = new Int32Array(4)
  let found: Position | null = null
  let atLine = 0
  let field = 0
  let value = 0
  let shift = 0
  for (let index = 0; index <= mappings.length; index++) {
    const code = mappings.charCodeAt(index)
    const endsLine = code === 59
    if (!endsLine && code !== 44 && index < mappings.length) {
      const digit = valueOfDigit[code] ?? 0
      value |= (digit & 31) << shift
      shift += 5
      // A digit from 32 on has another digit after it.
      if (digit >= 32) continue
      if (field < sums.length) sums[field] = (sums[field] ?? 0) + (value & 1 ? -(value >>> 1) : value >>> 1)
      field++
      value = 0
      shift = 0
      continue
    }
    const [generated = 0, source = 0, sourceLine = 0, sourceColumn = 0] = sums
    if (atLine === line && field > 0) {
      if (generated > column) return found
      // A segment of one field is code that no source has.
      found = field === 1 ? null : { source, line: sourceLine, column: sourceColumn }
    }
    field = 0
    if (!endsLine) continue
    if (atLine === line) return found
    atLine++
    sums[0] = 0
  }
  return found
}

/** The maps by the URLs of their files; null for a file without a readable map. */
const maps = new Map<string, SourceMap | null>()
/** The places in sources by the places in dist/, both written as `file:///dist/x.js:1:2`. */
const places = new Map<string, string>()

function readMap(url: string): SourceMap | null {
  const known = maps.get(url)
  if (known !== undefined) return known
  let map: SourceMap | null = null
  try {
    map = JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8'))
  } catch {
    // The stack trace then names the lines of dist/.
  }
  maps.set(url, map)
  return map
}

/** Returns the place in a source of a place in a file of dist/. Lines and columns are counted from 1. */
function sourcePlace(url: string, line: number, column: number): string {
  const place = `${url}:${line}:${column}`
  const known = places.get(place)
  if (known !== undefined) return known
  const map = readMap(url)
  const position = map && findPosition(map.mappings, line - 1, column - 1)
  const source = position && map.sources[position.source]
  const found = source ? `${new URL(source, url)}:${position.line + 1}:${position.column + 1}` : place
  places.set(place, found)
  return found
}

const dist = new URL('.', import.meta.url).href

/** Writes a stack trace in the form of V8, which calls this when code reads `stack` of an error for the first time. */
Error.prepareStackTrace = (error, frames) => {
  const lines = frames.map((frame) => {
    const text = `${frame}`
    const url = frame.getFileName()
    if (!url?.startsWith(dist)) return text
    const [line, column] = [frame.getLineNumber() ?? 0, frame.getColumnNumber() ?? 0]
    return text.replace(`${url}:${line}:${column}`, () => sourcePlace(url, line, column))
  })
  return [`${error}`, ...lines.map((line) => `    at ${line}`)].join('\n')
}
