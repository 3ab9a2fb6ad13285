import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { Answer } from './answers.ts'
import { type Described, type Operation, pathOf, type Response, type Schema } from './document.ts'

/** Says what is wrong with an answer, as sentences; nothing where the document and HTTP allow it. */
export type Judge = (asked: Asked, answer: Answer) => string[]

/** What was asked, as far as it can be known. */
export type Asked = { readonly method: string; readonly url: string }

const problemType = 'application/problem+json'
/** What any operation may answer, since the server refuses such requests before it looks where they go. */
const general = [408, 413, 414, 415, 421, 431]
/** What a path without an operation may answer. */
const nowhere = [400, 404, ...general]
/** What there is beside the operations, for people. */
const undescribed = /^\/(docs(\/.*)?|openapi\.json)?$/
/** Where OPTIONS is answered as GET is, for load balancers that ask with it. */
const probePaths = /^\/(livez|readyz|health(\/[^/]*)?)$/
/** Methods that HTTP itself defines; of others nobody has to know (RFC 9110 §9). */
const ownMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']
/** A line of a stack, or a place in the code. */
const leaks = /\bat .*\(.*:\d+:\d+\)|node_modules|\/src\/|\[object /

export function createJudge({ document, placeOf, resolve }: Described): Judge {
  const ajv = new Ajv2020({ strict: false })
  formats.default(ajv)
  const validators = new Map<Schema, ValidateFunction>()

  /** What is wrong with a value; null when the schema allows it. */
  function flawOf(value: unknown, schema: Schema): string | null {
    const { components } = document
    const validate = validators.get(schema) ?? ajv.compile({ ...schema, components })
    validators.set(schema, validate)
    if (validate(value)) return null
    const [error] = validate.errors ?? []
    // Which member of a list it is makes no other mistake of it.
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
    // What is too long for any route is refused before its method is.
    if (place !== null && ownMethods.includes(method) && status !== 414)
      return status === 405 && headers.allow !== undefined ? [] : [`${status} where the method should be refused`]
    if (undescribed.test(pathOf(url) ?? '')) return status < 500 ? [] : [`${status} where nothing can fail`]
    return [...nowhere, 405].includes(status) ? [] : [`${status} where there is nothing`]
  }

  /** An error that people are shown, as the page or the picture that they asked for. */
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
      complaints.push(`${status} tells of the code: ${leak.slice(0, 100)}`)
    return [...new Set(complaints)]
  }
}

/** The API reference is code itself. */
const isAsset = (url: string) => url.startsWith('/docs/')
const decoded = (url: string) => pathOf(url) ?? url

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
