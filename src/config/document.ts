import { isAlias, isMap, isScalar, isSeq, type Node } from 'yaml'
import { type Flaw, type Place, parseYaml, type Yaml } from './yaml.ts'

/** The text of a configuration file, read. */
export type Document = {
  readonly value: unknown
  /** Where a value or its key stands; for a path that leads nowhere, the nearest key above it. */
  locate(path: readonly PropertyKey[], part: 'key' | 'value'): Place
}

export type ReadDocument =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly flaws: readonly Flaw[] }

/** Reads YAML 1.2, or JSON when the file's name ends in `.json`. */
export function readDocument(fileName: string, text: string): ReadDocument {
  const value = fileName.endsWith('.json') ? readJson(text) : undefined
  if (value !== undefined) {
    let yaml: Yaml | undefined
    const locate: Document['locate'] = (path, part) => {
      yaml ??= parseYaml(text)
      return find(yaml, path, part)
    }
    return { ok: true, document: { value, locate } }
  }
  const yaml = parseYaml(text)
  if (yaml.flaws.length > 0) return { ok: false, flaws: yaml.flaws }
  return { ok: true, document: { value: yaml.read(), locate: (path, part) => find(yaml, path, part) } }
}

/**
 * JSON.parse is far faster than the YAML reader (10,000 services: milliseconds against a second) but keeps the last of
 * two equal keys in silence and tells no line. Undefined when it cannot be trusted: JSON is YAML, so that reader decides.
 */
function readJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return countKeys(value) === countKeyTokens(text) ? value : undefined
  } catch {
    return undefined
  }
}

function countKeyTokens(text: string): number {
  let count = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?/g)) if (token.endsWith(':')) count++
  return count
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  // A key the schema's records would pass over in silence: the YAML reader refuses it.
  if (Object.hasOwn(value, '__proto__')) return -1
  const members: unknown[] = Object.values(value)
  return members.reduce<number>((sum, member) => sum + countKeys(member), Array.isArray(value) ? 0 : members.length)
}

function find(yaml: Yaml, path: readonly PropertyKey[], part: 'key' | 'value'): Place {
  let node: Node | null = yaml.root
  let key = node?.range?.[0] ?? 0
  let value = key
  for (const step of path) {
    const parent: Node | null | undefined = isAlias(node) ? node.resolve(yaml.document) : node
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === step)
      if (pair === undefined) return yaml.placeAt(key)
      key = (pair.key as Node).range?.[0] ?? key
      node = pair.value as Node | null
    } else if (isSeq(parent)) {
      const item = parent.items[Number(step)] as Node | undefined
      if (item === undefined) return yaml.placeAt(key)
      node = item
      key = item.range?.[0] ?? key
    } else {
      return yaml.placeAt(key)
    }
    value = isWritten(node) ? (node?.range?.[0] ?? key) : key
  }
  return yaml.placeAt(part === 'key' ? key : value)
}

/** False for the nothing after `key:`, which has a place only by its key. */
function isWritten(node: Node | null): boolean {
  return node !== null && !(isScalar(node) && node.source === '' && node.type === 'PLAIN')
}
