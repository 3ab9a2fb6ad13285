import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { Answer } from './answers.ts'
import { type Described, type Operation, pathOf, type Response, type Schema } from './document.ts'

/** Returns what is wrong with an answer, as sentences; an empty list where the document and HTTP allow the answer. */
export type Judge = (asked: Asked, answer: Answer) => string[]

/** The method and the URL of a request. The URL is empty where the server refused the request before it read the path. */
export type Asked = { readonly method: string; readonly url: string }

const problemType = 'application/problem+json'
/** Statuses that any operation may answer, because the server refuses such requests before it routes them. */
const general = [408, 413, 414, 415, 421, 431]
/** Statuses that a path without an operation may answer. */
const nowhere = [400, 404, ...general]
/** Paths outside of the document: the API reference and the document itself. */
const undescribed = /^\/(docs(\/.*)?|openapi\.json)?$/
/** Paths where OPTIONS is answered like GET, because some load balancers probe with OPTIONS. */
const probePaths = /^\/(livez|readyz|health(\/[^/]*)?)\/?$/
/** The methods that HTTP itself defines. A server need not know others (RFC 9110 §9). */
const ownMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']
/** Matches a line of a stack trace, a path of the code, or a printed object. */
const leaks = /\bat .*\(.*:\d+:\d+\)|node_modules|\/src\/|\[object /

export function createJudge({ document, placeOf, resolve }: Described): Judge {
  const ajv = new Ajv2020({ strict: false })
  formats.default(ajv)
  const validators = new Map<Schema, ValidateFunction>()

  /** Returns what is wrong with a value; null where the schema allows it. */
  function flawOf(value: unknown, schema: Schema): string | null {
    const { components } = document
    const validate = validators.get(schema) ?? ajv.compile({ ...schema, components })
    validators.set(schema, validate)
    if (validate(value)) return null
    const [error] = validate.errors ?? []
    // The index in a list is left out, so that the same mistake is counted once.
    return `${error?.instancePath.replace(/\/\d+(?=\/|$)/g, '/*')} ${error?.message} ${JSON.stringify(error?.params)}`
  }

  function judgeProblem({ status, headers, body }: Answer, isHead: boolean): string[] {
    const type = headers['content-type'] ?? 'nothing'
    if (!type.startsWith(problemType)) return [`${status} comes as ${type} and not as a problem`]
    if (isHead) return []
    const problem = parse(body) as { status?: unknown; detail?: unknown } | undefined
    const flaw = flawOf(problem, resolve({ $ref: '#/components/schemas/Problem' }))
    if (flaw !== null) return [`${status} is no problem document: ${flaw}`]
    if (problem?.status !== status) return [`${status} is a problem of another status`]
    return String(problem.detail).trim() === '' ? [`${status} is a problem without a detail`] : []
  }

  function judgeDescribed({ content = {} }: Response, { status, headers, body }: Answer, isHead: boolean): string[] {
    const types = Object.keys(content)
    if (types.length === 0) return body === '' ? [] : [`${status} has a body, and the document says it has none`]
    const type = (headers['content-type'] ?? '').split(';', 1)[0] ?? ''
    const schema = content[type]?.schema
    if (schema === undefined) return [`${status} comes as ${type || 'nothing'}, which is not described: ${types}`]
    if (isHead) return []
    const flaw = flawOf(type.endsWith('json') ? parse(body) : body, schema)
    return flaw === null ? [] : [`${status} does not match its schema: ${flaw}`]
  }

  function judgeOperation(operation: Operation, answer: Answer, isHead: boolean): string[] {
    const { status } = answer
    const described = operation.responses.get(status)
    if (described !== undefined) return judgeDescribed(described, answer, isHead)
    return general.includes(status) ? [] : [`${status} is not described: ${[...operation.responses.keys()]}`]
  }

  function judgePlace({ method, url }: Asked, answer: Answer): string[] {
    const { status, headers } = answer
    const place = placeOf(url)
    const isAsGet = method === 'HEAD' || (method === 'OPTIONS' && probePaths.test(pathOf(url) ?? ''))
    const operation = place?.get(isAsGet ? 'GET' : method)
    if (operation !== undefined) return judgeOperation(operation, answer, method === 'HEAD')
    // The server refuses a URL that is too long for any route before it checks the method.
    if (place !== null && ownMethods.includes(method) && status !== 414)
      return status === 405 && headers.allow !== undefined ? [] : [`${status} where the method should be refused`]
    if (undescribed.test(pathOf(url) ?? '')) return status < 500 ? [] : [`${status} where nothing can fail`]
    return [...nowhere, 405].includes(status) ? [] : [`${status} where there is nothing`]
  }

  /** Whether an error is a page or a picture for people, which the document describes. */
  function isShown({ method, url }: Asked, { status, headers }: Answer): boolean {
    const operation = placeOf(url)?.get(method === 'HEAD' ? 'GET' : method)
    const [type = ''] = (headers['content-type'] ?? '').split(';', 1)
    return type !== problemType && operation?.responses.get(status)?.content?.[type] !== undefined
  }

  return (asked, answer) => {
    const { status, body } = answer
    const complaints = judgePlace(asked, answer)
    if (status >= 400 && status < 500 && !isShown(asked, answer))
      complaints.push(...judgeProblem(answer, asked.method === 'HEAD'))
    if (status >= 500 && ![503, 504].includes(status)) complaints.push(`${status} is an error of the server`)
    const [leak] = leaks.exec(body) ?? []
    if (leak !== undefined && !isAsset(asked.url) && !decoded(asked.url).includes(leak))
      complaints.push(`${status} shows code: ${leak.slice(0, 100)}`)
    return [...new Set(complaints)]
  }
}

/** Whether a URL is a file of the API reference, which is code itself. */
const isAsset = (url: string) => url.startsWith('/docs/')
const decoded = (url: string) => pathOf(url) ?? url

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
