import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml'
import { findJsonKeys, readJson } from './syntax/json.ts'
import { indexJson } from './syntax/json-locations.ts'
import { type Flaw, parseYaml, type SourceLocation, type Yaml } from './syntax/yaml.ts'

/** A parsed configuration file. */
export type Document = {
  readonly value: unknown
  /** Returns the place of a value or of its key. If the path leads nowhere, returns the place of the nearest key above it. */
  locate(path: readonly PropertyKey[], part: 'key' | 'value'): SourceLocation
  /** Returns the places of the keys under a key of the root, such as those under `services`. */
  keysIn(section: string): ReadonlyMap<string, SourceLocation>
}

export type ReadDocument =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly flaws: readonly Flaw[] }

/** Parses YAML 1.2, or JSON if the file's name ends in `.json`. */
export function readDocument(fileName: string, content: string): ReadDocument {
  const text = content.replace(/^\uFEFF/, '')
  const value = fileName.endsWith('.json') ? readJson(text) : undefined
  if (value !== undefined) {
    let index: Document['locate'] | undefined
    const locate: Document['locate'] = (path, part) => {
      index ??= indexJson(text)
      return index(path, part)
    }
    return { ok: true, document: { value, locate, keysIn: (section) => findJsonKeys(text, section) } }
  }
  const yaml = parseYaml(text)
  if (yaml.flaws.length > 0) return { ok: false, flaws: yaml.flaws }
  const keysIn: Document['keysIn'] = (section) => findYamlKeys(yaml, section)
  return { ok: true, document: { value: yaml.read(), locate: createFinder(yaml), keysIn } }
}

function findYamlKeys({ document, root, placeAt }: Yaml, section: string): Map<string, SourceLocation> {
  const named = isMap(root) ? root.get(section, true) : undefined
  const mapping: unknown = isAlias(named) ? named.resolve(document) : named
  const pairs = isMap<Node>(mapping) ? mapping.items : []
  return new Map(pairs.map(({ key }) => [isScalar(key) ? String(key.value) : '', placeAt(key.range?.[0] ?? 0)]))
}

function createFinder(yaml: Yaml): Document['locate'] {
  /** The pairs of each mapping that was searched, by their keys. A map is needed because one mapping may have thousands of findings. */
  const pairs = new Map<YAMLMap, ReadonlyMap<unknown, Pair>>()
  const pairsOf = (map: YAMLMap) => {
    const known = pairs.get(map) ?? new Map(map.items.map((pair) => [isScalar(pair.key) ? pair.key.value : pair, pair]))
    pairs.set(map, known)
    return known
  }
  return (path, part) => find(yaml, pairsOf, path, part)
}

function find(
  yaml: Yaml,
  pairsOf: (map: YAMLMap) => ReadonlyMap<unknown, Pair>,
  path: readonly PropertyKey[],
  part: 'key' | 'value',
): SourceLocation {
  let node: Node | null = yaml.root
  let key = node?.range?.[0] ?? 0
  let value = key
  for (const step of path) {
    const parent: Node | null | undefined = isAlias(node) ? node.resolve(yaml.document) : node
    if (isMap(parent)) {
      const pair = pairsOf(parent).get(step)
      if (pair === undefined) return yaml.placeAt(key)
      key = (pair.key as Node).range?.[0] ?? key
      node = pair.value as Node | null
    } else if (isSeq(parent)) {
      const item = typeof step === 'number' ? (parent.items[step] as Node | undefined) : undefined
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

/** Returns false for the empty value after `key:`, which has no place of its own. */
function isWritten(node: Node | null): boolean {
  return node !== null && !(isScalar(node) && node.source === '' && node.type === 'PLAIN')
}
