import fc from 'fast-check'
import type { Described, Schema } from './document.ts'
import type { Harvest } from './harvest.ts'

/** Generates values that a schema allows. Many are texts that earlier answers had under the same key. */
export type ValuesOf = (schema: Schema, name: string) => fc.Arbitrary<unknown>

/** The greatest depth of generated values, because schemas may refer to themselves. */
const deepest = 8
const anyTypes = ['null', 'boolean', 'integer', 'string'] as const
const anyText = fc.string({ unit: 'grapheme', maxLength: 20 })

/** Creates a generator of values, from the schemas of a document and the texts of earlier answers. */
export function createValues({ resolve }: Described, harvest: Harvest): ValuesOf {
  function valuesOf(written: Schema, name: string, depth: number): fc.Arbitrary<unknown> {
    const own = resolve(written)
    const schema = own.allOf === undefined ? own : merge(own)
    if (schema.const !== undefined) return fc.constant(schema.const)
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    const { anyOf, oneOf = anyOf, ...rest } = schema
    if (oneOf !== undefined)
      return fc.oneof(...oneOf.map((choice) => valuesOf({ ...rest, ...resolve(choice) }, name, depth + 1)))
    const types = [schema.type ?? guessTypes(schema)].flat()
    return fc.oneof(...types.map((type) => valuesOfType(type, schema, name, depth)))
  }

  function merge({ allOf = [], ...rest }: Schema): Schema {
    const parts: Schema[] = [...allOf.map((part) => merge(resolve(part))), rest]
    const properties = Object.assign({}, ...parts.map((part) => part.properties))
    return Object.assign({}, ...parts, { properties, required: parts.flatMap((part) => part.required ?? []) })
  }

  function valuesOfType(type: string, schema: Schema, name: string, depth: number): fc.Arbitrary<unknown> {
    switch (type) {
      case 'null':
        return fc.constant(null)
      case 'boolean':
        return fc.boolean()
      case 'integer':
      case 'number':
        return numbersOf(schema, type)
      case 'string':
        return textsOf(schema, name)
      case 'array':
        return listsOf(schema, name, depth)
      case 'object':
        return objectsOf(schema, depth)
      default:
        throw new Error(`the document has a schema of type ${type}, which JSON Schema has not`)
    }
  }

  function textsOf(schema: Schema, name: string): fc.Arbitrary<string> {
    const fits = fitsOf(schema)
    const words = quotedIn(schema.description)
    const told = [...(schema.examples ?? []), schema.default, ...words].filter(
      (text): text is string => typeof text === 'string' && fits(text),
    )
    const random = randomTexts(schema, fits)
    // Chosen when the value is generated, and not when the arbitrary is built, because the harvest grows during the run.
    const harvested = fc
      .tuple(fc.nat(), random)
      .map(([at, text]) => harvest.pick([name, ...words], at, fits) ?? told[at % told.length] ?? text)
    const choices = [
      { weight: 6, arbitrary: harvested },
      { weight: 1, arbitrary: random },
    ]
    if (told.length > 0) choices.push({ weight: 3, arbitrary: fc.constantFrom(...told) })
    return fc.oneof(...choices)
  }

  function listsOf({ items = {}, minItems = 0, maxItems, uniqueItems }: Schema, name: string, depth: number) {
    const bounds = { minLength: minItems, maxLength: Math.min(maxItems ?? 3, Math.max(minItems, 3)) }
    if (depth > deepest) return fc.constant([])
    const members = valuesOf(items, name, depth + 1)
    if (uniqueItems) return fc.uniqueArray(members, { ...bounds, selector: (member) => JSON.stringify(member) })
    // The schema allows duplicates, but the server often refuses them. So most lists have none.
    return fc.tuple(fc.array(members, bounds), fc.nat({ max: 4 })).map(([list, die]) => {
      const distinct = [...new Map(list.map((member) => [JSON.stringify(member), member])).values()]
      return die > 0 && distinct.length >= minItems ? distinct : list
    })
  }

  /** Generates objects. Most optional properties are left out, because each could make the object invalid. */
  function objectsOf({ properties = {}, required = [], additionalProperties }: Schema, depth: number) {
    if (depth > deepest) return fc.constant({})
    const fields = Object.entries(properties).map(([key, schema]) => {
      const values = valuesOf(schema, key, depth + 1)
      return [
        key,
        required.includes(key) ? values : fc.oneof({ weight: 4, arbitrary: absent }, { weight: 1, arbitrary: values }),
      ] as const
    })
    const others =
      typeof additionalProperties === 'object'
        ? fc.dictionary(anyText, valuesOf(additionalProperties, '', depth + 1), { maxKeys: 2 })
        : fc.constant({})
    return fc.tuple(others, fc.record(Object.fromEntries(fields))).map(([more, own]) => ({
      ...more,
      ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)),
    }))
  }

  return (schema, name) => valuesOf(schema, name, 0)
}

const absent = fc.constant(undefined)

function guessTypes({ properties, items }: Schema): readonly string[] {
  if (properties !== undefined) return ['object']
  return items === undefined ? anyTypes : ['array']
}

/** Generates numbers within the bounds. Most of them are near 0. */
function numbersOf(schema: Schema, type: 'integer' | 'number'): fc.Arbitrary<number> {
  const { minimum = -1000, maximum = 1_000_000, exclusiveMinimum, exclusiveMaximum } = schema
  const min = Math.max(minimum, exclusiveMinimum === undefined ? minimum : Math.floor(exclusiveMinimum) + 1)
  const max = Math.min(maximum, exclusiveMaximum === undefined ? maximum : Math.ceil(exclusiveMaximum) - 1)
  const near = Math.max(min, Math.min(max, 0))
  const whole = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: near, max: Math.min(max, near + 10) }) },
    { weight: 1, arbitrary: fc.integer({ min: Math.ceil(min), max: Math.floor(max) }) },
  )
  return type === 'integer'
    ? whole
    : fc.oneof({ weight: 4, arbitrary: whole }, { weight: 1, arbitrary: fc.double({ min, max, noNaN: true }) })
}

function fitsOf({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Schema): (text: string) => boolean {
  const regex = pattern === undefined ? null : new RegExp(pattern, 'u')
  const isOfLength = ([...points]: string) => points.length >= minLength && points.length <= maxLength
  return (text) => isOfLength(text) && regex?.test(text) !== false
}

function randomTexts({ pattern, format, minLength = 0, maxLength = 20 }: Schema, fits: (text: string) => boolean) {
  if (format === 'date-time') {
    const range = { min: new Date('2000-01-01'), max: new Date('2100-01-01') }
    return fc.date({ ...range, noInvalidDate: true }).map((date) => date.toISOString())
  }
  const any = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, minLength + 20) })
  return ((pattern === undefined ? null : textsMatching(pattern)) ?? any).filter(fits)
}

/** Generates texts that match a pattern; null where the pattern has look-arounds, which fast-check cannot generate. */
function textsMatching(pattern: string): fc.Arbitrary<string> | null {
  try {
    return fc.stringMatching(new RegExp(pattern, 'u'))
  } catch {
    return null
  }
}

/** Returns the words between backquotes in a description: often a value, or a key of an answer. */
function quotedIn(description = ''): string[] {
  return [...description.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
}
