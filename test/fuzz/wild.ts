import { METHODS } from 'node:http'
import fc from 'fast-check'
import type { Described } from './document.ts'
import { oddText } from './mutations.ts'
import { type Request, writeRequest } from './requests.ts'

const oddSegments = [
  ...['', 'x'.repeat(1100), '%0d%0aX:%201', '{service}', '\\'],
  ...'. .. %2e%2e %2F %2f..%2f ..%5c %00 % %zz %ff %C0%AF %E0%A4%A %25 %252e %F0%9F%90%98'.split(' '),
  ...'__proto__ constructor toString ;a=b : * ~ +'.split(' '),
]
const headerNames = [
  ...'accept accept-encoding authorization cache-control connection content-encoding content-length'.split(' '),
  ...'content-type cookie expect forwarded host if-match if-modified-since if-none-match last-event-id'.split(' '),
  ...'origin range te transfer-encoding upgrade x-forwarded-for x-http-method-override __proto__'.split(' '),
]
const headerValues = [
  ...['', '"', 'Bearer', 'Basic eDp5', '1795359600000001', '__proto__=1'],
  ...'* */* application/json text/plain;q=0 multipart/form-data no-cache max-age=-1 only-if-cached'.split(' '),
  ...'bytes=0- W/"1" chunked 0 -1 100-continue websocket close gzip 127.0.0.1'.split(' '),
]
const oddBodies = [
  ...['', '\0', '\ufeff{}', '['.repeat(20_000), `[${'9'.repeat(5000)}]`],
  ...['{', '[]', 'null', '"', '[1e999]', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
  ...['{"__proto__":{"a":1}}', '{"constructor":{"prototype":{}}}', '{"a":["\\ud800"]}', '{"a":1,"a":[]}'],
]

/** Generates arbitrary HTTP requests. Only their paths and names of parameters come from the document. */
export function wildRequests({ operations }: Described): fc.Arbitrary<Request> {
  const known = operations.flatMap(({ path }) => path.split('/')).filter((segment) => segment !== '')
  const parameters = operations.flatMap((operation) => operation.parameters.map(({ name }) => name))
  const segment = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...known) },
    { weight: 3, arbitrary: fc.constantFrom(...oddSegments) },
    { weight: 1, arbitrary: oddText.map(encodeURIComponent) },
    { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
  )
  const path = fc.oneof(
    fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join('/')}`),
    fc.constantFrom(...operations.map((operation) => operation.path)),
  )
  const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom('x', ...parameters), oddText), oddText), { maxLength: 3 })
  const headers = fc.dictionary(fc.constantFrom(...headerNames), fc.oneof(fc.constantFrom(...headerValues), oddText), {
    maxKeys: 4,
  })
  const body = fc.oneof(
    fc.constant(null),
    fc.constantFrom(...oddBodies),
    fc.json(),
    fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
  )
  const method = fc.oneof(
    fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS'),
    fc.constantFrom(...METHODS),
  )
  return fc.record({ method, path, query, headers, body, from: fc.constant('127.0.0.3') })
}

/** Generates the bytes of a connection: requests, damaged requests, two requests at once, and random bytes. */
export function wildBytes(described: Described): fc.Arbitrary<Buffer> {
  const whole = wildRequests(described).map(writeRequest)
  const request = fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: whole.map(withoutHost) })
  const damage = fc.record({ at: fc.nat(), length: fc.nat({ max: 5 }), bytes: fc.uint8Array({ maxLength: 8 }) })
  return fc.oneof(
    { weight: 4, arbitrary: request },
    {
      weight: 4,
      arbitrary: fc.tuple(request, damage).map(([bytes, { at, length, bytes: others }]) => {
        const start = at % bytes.length
        return Buffer.concat([bytes.subarray(0, start), others, bytes.subarray(start + length)])
      }),
    },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 2000 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.tuple(request, request).map((both) => Buffer.concat(both)) },
  )
}

/** Removes the Host header, which HTTP/1.1 requires (RFC 9112 §3.2). */
const withoutHost = (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('\r\nhost: porthole', ''), 'latin1')
