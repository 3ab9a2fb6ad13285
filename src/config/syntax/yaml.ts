import { type ErrorCode, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { quote } from '../../domain/values/quote.ts'

/** Line and column in a text, both from 1. */
export type SourceLocation = { readonly line: number; readonly column: number }

/** A fault that makes a text unreadable. */
export type Flaw = SourceLocation & { readonly message: string }

/** A parsed YAML text. */
export type Yaml = ReturnType<typeof parseYaml>

/** The most values that aliases may stand for. More are an attack, or a slip. */
const maxAliasValues = 1_000_000

/** Parses YAML 1.2 without its surprises: keys are text, there are no tags, and equal keys and runaway aliases are flaws. */
export function parseYaml(text: string) {
  const lines = new LineCounter()
  // The library's own check of equal keys takes quadratic time and names only one of the two places. Its limit on aliases rejects the 101st use
  // of one harmless anchor. Both checks are done below.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'core',
    stringKeys: true,
    uniqueKeys: false,
    resolveKnownTags: false,
  })
  const placeAt = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const errors = [...document.errors, ...document.warnings]
  // Later errors follow from the first one, unless they are the same mistake in another line.
  const syntax = errors
    .filter((error) => error.code === errors[0]?.code)
    .map(
      (error): Flaw => ({
        ...placeAt(error.pos[0]),
        message: explain(error.code, error.message, text.slice(error.pos[0], error.pos[0] + longestTag)),
      }),
    )
    .filter((flaw, index, all) => flaw.line !== all[index - 1]?.line)
  const flaws = syntax.length > 0 ? syntax : inspect(document.contents, placeAt)
  return {
    document,
    root: document.contents,
    placeAt,
    flaws,
    read: (): unknown => document.toJS({ maxAliasCount: -1 }),
  }
}

/** Finds flaws that the parser accepts: keys written twice, and aliases that lead nowhere, to themselves, or to too many values. */
function inspect(root: Node | null, placeAt: (offset: number) => SourceLocation): Flaw[] {
  const flaws: Flaw[] = []
  const report = (node: Node, message: string) => flaws.push({ ...placeAt(node.range?.[0] ?? 0), message })
  /** The number of values that each anchor stands for; null while it is being counted. */
  const anchors = new Map<string, number | null>()
  let aliasValues = 0

  const countAlias = (node: Node, name: string): number => {
    const count = anchors.get(name)
    if (count === undefined) {
      report(node, `*${name} stands for nothing: write &${name} before a value further up, or put the text in quotes`)
    } else if (count === null) {
      report(node, `*${name} contains itself: write the value out`)
    } else {
      const before = aliasValues
      aliasValues += count
      if (before <= maxAliasValues && aliasValues > maxAliasValues) {
        report(node, `aliases up to *${name} stand for more than ${maxAliasValues} values: write them out`)
      }
    }
    return count ?? 0
  }

  const countValues = (node: unknown): number => {
    if (isAlias(node)) return countAlias(node, node.source)
    const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined
    if (anchor !== undefined) anchors.set(anchor, null)
    let count = 1
    if (isMap(node)) {
      const keys = new Map<unknown, Node>()
      for (const pair of node.items) {
        const key = pair.key as Node
        const text = isScalar(key) ? key.value : key
        const first = keys.get(text)
        if (first !== undefined) report(key, describeRepeat(text, placeAt(first.range?.[0] ?? 0)))
        if (text === '__proto__') report(key, '__proto__ cannot be a name here: write another')
        keys.set(text, first ?? key)
        count += countValues(key) + countValues(pair.value)
      }
    } else if (isSeq(node)) {
      for (const item of node.items) count += countValues(item)
    }
    if (anchor !== undefined) anchors.set(anchor, count)
    return count
  }
  countValues(root)
  return flaws
}

function describeRepeat(key: unknown, first: SourceLocation): string {
  return `${quote(key)} is already written at line ${first.line}, column ${first.column}: keep one of them`
}

/** The number of characters of the text that are searched for a tag. */
const longestTag = 40
/** A merge key of YAML 1.1 that has the explicit tag. */
const mergeTag = /^(!!merge|!<tag:yaml\.org,2002:merge>)\s/

/** Rewrites an error of the library for readers who have never read the YAML specification. `source` is the text from the place of the error on. */
function explain(code: ErrorCode, message: string, source: string): string {
  if (/end with a [\]}]/.test(message)) return 'a bracket before this is not closed: write the ] or } that closes it'
  if (/^Missing closing .quote/.test(message)) return 'a quote before this is not closed: write the one that closes it'
  if (/at node end$/.test(message)) return 'text after the end of a value: put it all in quotes, such as "[::1]:5432"'
  switch (code) {
    case 'RESOURCE_EXHAUSTION':
      return 'lists or mappings are nested too deeply to be read'
    case 'TAB_AS_INDENT':
      return 'this line is indented with a tab: write spaces'
    case 'MULTIPLE_DOCS':
      return 'a second document begins here (---): keep one'
    case 'NON_STRING_KEY':
      if (mergeTag.test(source))
        return 'merge keys (<<) mean nothing here: write the keys out, or put shared settings under defaults'
      if (source.startsWith('!')) return 'tags (!) mean nothing here: remove it, or put the key in quotes'
      return 'a key must be text: an IPv6 target goes in quotes, "[::1]:5432"'
    case 'BAD_SCALAR_START':
      return 'a value cannot begin with this character: put it in quotes'
    case 'BAD_INDENT':
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return 'this does not read as "key: value": check the indentation, and the space after each colon'
    case 'TAG_RESOLVE_FAILED':
      return 'tags (!) mean nothing here: remove it, or put the value in quotes'
    case 'UNEXPECTED_TOKEN':
    case 'MISSING_CHAR':
      return `not YAML (${message}): check the quotes, brackets and commas here and on the line above`
    default:
      return `not YAML (${message}): correct it, or put the value in quotes`
  }
}
