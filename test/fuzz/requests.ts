import fc from 'fast-check'
import type { Described, Operation, Parameter } from './document.ts'
import type { Harvest } from './harvest.ts'
import type { ValuesOf } from './values.ts'

/** A request as it is sent. */
export type Request = {
  readonly method: string
  /** The path as written in the request, percent-encoded where necessary. */
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer | null
  /** The address it is sent from. */
  readonly from: string
}

/** The address of valid requests. Requests with wrong tokens come from another address, because Porthole soon refuses that address. */
export const wellMeaning = '127.0.0.1'

export function urlOf({ path, query }: Request): string {
  if (query.length === 0) return path
  return `${path}?${query.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')}`
}

/** Formats a request so that a developer can send it again. */
export function showRequest(request: Request): string {
  const { method, headers, body } = request
  const shown = [`${method} ${urlOf(request)}`, JSON.stringify(headers)]
  if (body !== null) shown.push(typeof body === 'string' ? body : `bytes ${body.toString('hex')}`)
  return shown
    .map((part) => (part.length > 500 ? `${part.slice(0, 500)}… (${part.length} characters)` : part))
    .join(' ')
}

/** Writes a request as bytes. Headers are written unchanged in Latin-1, as in HTTP/1.1. A body gets a content-length unless a header has one. */
export function writeRequest(request: Request): Buffer {
  const { method, headers, body } = request
  const bytes = Buffer.from(body ?? '')
  const length =
    body === null || 'content-length' in headers || 'transfer-encoding' in headers
      ? {}
      : { 'content-length': bytes.length }
  const all = Object.entries({ host: 'porthole', connection: 'close', ...length, ...headers })
  const head = [
    `${method} ${urlOf(request)} HTTP/1.1`,
    ...all.map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
}

type Parts = {
  readonly described: Described
  readonly harvest: Harvest
  readonly valuesOf: ValuesOf
  /** The token after `Bearer`. */
  readonly secret: string
}

/** Generates requests as the document describes them. The schemas allow every parameter, header and body. */
export function validRequests(operation: Operation, parts: Parts): fc.Arbitrary<Request> {
  const { method, path, parameters, body, responses } = operation
  const named = (where: Parameter['in']) => parameters.filter((parameter) => parameter.in === where)
  const types = [...new Set([...responses.values()].flatMap(({ content = {} }) => Object.keys(content)))]
  return fc
    .record({
      asHead: fc.integer({ min: 0, max: 9 }).map((die) => method === 'GET' && die === 0),
      path: fc.tuple(...named('path').map((parameter) => valuesOfParameter(parameter, parts))),
      query: fc.tuple(...named('query').map((parameter) => optional(parameter, valuesOfParameter(parameter, parts)))),
      headers: fc.tuple(
        ...named('header').map((parameter) => optional(parameter, valuesOfParameter(parameter, parts))),
      ),
      accept: fc.constantFrom(undefined, '*/*', ...types),
      token: fc.boolean().map((given) => (operation.token === 'needed' || given ? parts.secret : undefined)),
      body: body === null ? fc.constant(null) : bodiesOf(body, parts),
    })
    .map((drawn) => {
      const filled = fillPath(
        path,
        named('path').map(({ name }, at) => [name, drawn.path[at]] as const),
      )
      const headers = named('header').map(({ name }, at) => [name.toLowerCase(), drawn.headers[at]] as const)
      return {
        method: drawn.asHead ? 'HEAD' : method,
        path: filled,
        query: named('query').flatMap(({ name }, at) => listed(drawn.query[at]).map((value) => [name, value] as const)),
        headers: given([
          ...headers.map(([name, value]) => [name, conditionOf(name, filled, value, parts.harvest)] as const),
          ['accept', drawn.accept],
          ['authorization', drawn.token && `Bearer ${drawn.token}`],
          ['content-type', drawn.body?.type],
        ]),
        body: drawn.body?.text ?? null,
        from: wellMeaning,
      }
    })
}

function valuesOfParameter(
  { schema, name, description, example }: Parameter,
  { valuesOf }: Parts,
): fc.Arbitrary<unknown> {
  const examples = [...(schema.examples ?? []), ...(example === undefined ? [] : [example])]
  return valuesOf({ ...(description === undefined ? {} : { description }), ...schema, examples }, name)
}

function optional({ required }: Parameter, values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return required
    ? values
    : fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: values })
}

function bodiesOf({ content }: NonNullable<Operation['body']>, { valuesOf }: Parts) {
  return fc.oneof(
    ...Object.entries(content).map(([type, { schema = {} }]) =>
      valuesOf(schema, '').map((value) => ({
        type,
        text: type.endsWith('json') || typeof value !== 'string' ? JSON.stringify(value) : value,
      })),
    ),
  )
}

const fillPath = (path: string, values: readonly (readonly [name: string, value: unknown])[]) =>
  values.reduce((filled, [name, value]) => filled.replace(`{${name}}`, () => encodeURIComponent(String(value))), path)

const listed = (value: unknown): string[] => (value === undefined ? [] : [value].flat().map(String))

/** Returns the value of a precondition header (RFC 9110 §13.1): the last entity tag of the path, where one is known. */
function conditionOf(name: string, path: string, value: unknown, harvest: Harvest): unknown {
  if (value === undefined || value === '*' || !/^if-(none-)?match$/.test(name)) return value
  return harvest.tagOf(path) ?? value
}

function given(headers: readonly (readonly [name: string, value: unknown])[]): Record<string, string> {
  return Object.fromEntries(
    headers.filter(([, value]) => value !== undefined).map(([name, value]) => [name, sendable(String(value))]),
  )
}

/** Replaces characters that a header cannot hold (RFC 9110 §5.5), and all outside of ASCII. */
const sendable = (value: string) => value.replace(/[^\x20-\x7e]/g, '?')
