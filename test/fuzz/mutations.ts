import fc from 'fast-check'
import type { Operation } from './document.ts'
import type { Request } from './requests.ts'

/** The random input of a mutation: a position, and a replacement as text and as a JSON value. */
type Odd = { readonly at: number; readonly text: string; readonly value: unknown }
type Mutation = (request: Request, odd: Odd) => Request

const oddNumbers = [-1, 0, 0.5, 1e308, 2 ** 53, -(2 ** 31)]
const oddTexts = ['', ' ', '0', '-1', 'null', 'NaN', '1e999', '\0', '%', '__proto__', 'x'.repeat(5000), '9'.repeat(400)]
export const oddText = fc.oneof(fc.constantFrom(...oddTexts), fc.string({ unit: 'binary', maxLength: 300 }))
const oddValue = fc.oneof(fc.constantFrom<unknown>(null, true, [], {}, [[]], { a: 1 }, ...oddNumbers), oddText)
const odds = fc.record({ at: fc.nat(), text: oddText, value: oddValue })

/** The address that mutated requests come from. */
const mischievous = '127.0.0.2'

/** Generates requests with one mutation. A mutated request may still be valid by chance. */
export function nearlyValid(operation: Operation, valid: fc.Arbitrary<Request>): fc.Arbitrary<Request> {
  const { body, parameters } = operation
  const mutations = [
    ...queryMutations,
    ...headerMutations,
    ...parameters.flatMap((parameter) => (parameter.in === 'header' ? mutationsOfHeader(parameter.name) : [])),
    ...(parameters.some((parameter) => parameter.in === 'path') ? pathMutations : []),
    ...(body === null ? [strayBody] : [...bodyMutations, ...jsonMutations]),
  ]
  return fc
    .tuple(valid, fc.constantFrom(...mutations), odds)
    .map(([request, mutate, odd]) => ({ ...mutate(request, odd), from: mischievous }))
}

const withHeader = (request: Request, name: string, value: string) => ({
  ...request,
  headers: { ...request.headers, [name]: value },
})
const without = (request: Request, name: string) => ({
  ...request,
  headers: Object.fromEntries(Object.entries(request.headers).filter(([key]) => key !== name)),
})

const unknownNames = ['x', '', '__proto__', 'constructor', 'a[]', 'a.b']
const queryMutations: Mutation[] = [
  function duplicatedParameter(request, { text }) {
    const [pair = ['verbose', text] as const] = request.query
    return { ...request, query: [...request.query, pair, pair] }
  },
  function unknownParameter(request, { at, text }) {
    return { ...request, query: [...request.query, [unknownNames[at % unknownNames.length] ?? text, text]] }
  },
  function emptyParameter(request) {
    return { ...request, query: request.query.map(([name]) => [name, '']) }
  },
  function oddParameter(request, { at, text }) {
    const chosen = at % Math.max(1, request.query.length)
    return { ...request, query: request.query.map(([name, value], index) => [name, index === chosen ? text : value]) }
  },
  function longParameter(request, { at }) {
    const [[name] = ['q'] as const] = request.query
    return { ...request, query: [[name, 'x'.repeat(at % 12_000)]] }
  },
]

const headerMutations: Mutation[] = [
  (request, { text }) => withHeader(request, 'authorization', `Bearer ${text}`),
  (request, { text }) => withHeader(request, 'authorization', text),
  (request) => without(request, 'authorization'),
  (request, { text }) => withHeader(request, 'accept', text),
]

/** Mutations of a header that the operation describes: an odd text, and a text like an entity tag. */
const mutationsOfHeader = (name: string): Mutation[] => [
  (request, { text }) => withHeader(request, name, text),
  (request, { at }) => withHeader(request, name, `"${at}"`),
]

const pathMutations: Mutation[] = [
  function oddSegment(request, { at, text }) {
    const segments = request.path.split('/')
    const chosen = 1 + (at % (segments.length - 1))
    return {
      ...request,
      path: segments.map((it, index) => (index === chosen ? encodeURIComponent(text) : it)).join('/'),
    }
  },
  function longSegment(request, { at }) {
    return { ...request, path: `${request.path}${'x'.repeat(at % 3000)}` }
  },
  function slashAtTheEnd(request) {
    return { ...request, path: `${request.path}/` }
  },
]

function strayBody(request: Request, { value }: Odd): Request {
  return withHeader({ ...request, body: JSON.stringify(value) }, 'content-type', 'application/json')
}

const bodyMutations: Mutation[] = [
  (request, { text }) => withHeader(request, 'content-type', text),
  (request) => withHeader(request, 'content-type', 'text/plain'),
  (request) => withHeader(request, 'content-type', 'application/json; charset=utf-16'),
  (request) => without(request, 'content-type'),
  (request) => ({ ...request, body: null }),
  (request) => ({ ...request, body: '' }),
  (request, { value }) => ({ ...request, body: JSON.stringify(value) }),
  function truncated(request, { at }) {
    const text = String(request.body)
    return { ...request, body: text.slice(0, at % Math.max(1, text.length)) }
  },
  function tooLarge(request, { at }) {
    return { ...request, body: `${String(request.body)}${' '.repeat(at % 1_500_000)}` }
  },
  function keyTwice(request) {
    return { ...request, body: String(request.body).replace(/^\{("[^"]+":)/, '{$1null,$1') }
  },
]

type Path = readonly string[]

const jsonMutations: Mutation[] = [
  changeBody((_old, { value }) => value),
  changeBody((_old, { text }) => text),
  changeBody(() => undefined),
  changeBody((old) => [old]),
  changeBody((old) => ({ old })),
  changeBody((old, { at }) =>
    Array.isArray(old) ? Array(at % 2000).fill(old[0] ?? null) : JSON.stringify(old).repeat(at % 500),
  ),
  changeBody((old, { text, value }) => (isObject(old) ? { ...old, [text]: value } : value)),
]

/** Makes a mutation that changes one place in a JSON body. A change to undefined removes the value. */
function changeBody(change: (old: unknown, odd: Odd) => unknown): Mutation {
  return (request, odd) => {
    const json: unknown = JSON.parse(String(request.body))
    const places = placesIn(json)
    const place = places[odd.at % places.length] ?? []
    const changed = changeAt(json, place, (old) => change(old, odd))
    return { ...request, body: changed === undefined ? null : JSON.stringify(changed) }
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, member]) => placesIn(member, [...path, key]))]
}

function changeAt(value: unknown, [key, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (key === undefined) return change(value)
  if (Array.isArray(value)) return value.map((it, at) => (String(at) === key ? changeAt(it, rest, change) : it))
  return isObject(value) ? { ...value, [key]: changeAt(value[key], rest, change) } : value
}
