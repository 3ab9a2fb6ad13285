/** A JSON Schema (2020-12), as far as requests are generated from it. */
export type Schema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly examples?: readonly unknown[]
  readonly default?: unknown
  readonly description?: string
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>
type Reference = { readonly $ref: string }

export type Parameter = {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: Schema
  readonly description?: string
  readonly example?: unknown
}
export type RequestBody = { readonly required?: boolean; readonly content: Content }
export type Response = { readonly content?: Content }

type WrittenOperation = {
  readonly parameters?: readonly (Parameter | Reference)[]
  readonly requestBody?: RequestBody | Reference
  readonly responses: Readonly<Record<string, Response | Reference>>
  readonly security?: readonly Readonly<Record<string, unknown>>[]
}
type Scheme = { readonly type: string; readonly scheme?: string }

/** An OpenAPI document as it is written, with references. */
export type OpenApi = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components?: {
    readonly schemas?: Readonly<Record<string, Schema>>
    readonly securitySchemes?: Readonly<Record<string, Scheme>>
  }
  readonly security?: readonly Readonly<Record<string, unknown>>[]
}

/** One operation of the document, with all references resolved. */
export type Operation = {
  /** The method and the path, such as `GET /health/{service}`. */
  readonly name: string
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: RequestBody | null
  readonly responses: ReadonlyMap<number, Response>
  /** Whether it requires a bearer token, accepts one, or has none. */
  readonly token: 'needed' | 'taken' | 'unknown'
  /** Whether its answer is endless. */
  readonly streams: boolean
}

/** The operations of a URL's path, by method; null where the document has no such path. */
export type Place = ReadonlyMap<string, Operation> | null

/** An OpenAPI document that was read. */
export type Described = {
  readonly document: OpenApi
  readonly operations: readonly Operation[]
  /** Resolves a schema that is a reference. */
  resolve(schema: Schema): Schema
  placeOf(url: string): Place
}

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

/** Reads an OpenAPI document (3.1). */
export function readDocument(document: OpenApi): Described {
  const follow = <Value extends object>(value: Value | Reference): Value =>
    '$ref' in value && typeof value.$ref === 'string' ? follow(lookUp<Value>(value.$ref)) : (value as Value)

  /** Looks up a JSON pointer (RFC 6901) into the document, written as a URI fragment. Throws if nothing is there. */
  function lookUp<Value>(reference: string): Value {
    const steps = decodeURIComponent(reference.replace(/^#\//, '')).split('/')
    const found = steps.reduce<unknown>(
      (value, step) =>
        (value as Record<string, unknown> | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')],
      document,
    )
    if (found === undefined) throw new Error(`the document refers to ${reference}, which is not there`)
    return found as Value
  }

  function tokenOf(operation: WrittenOperation): Operation['token'] {
    const ways = operation.security ?? document.security ?? []
    const isBearer = (name: string) => document.components?.securitySchemes?.[name]?.scheme === 'bearer'
    const withToken = ways.filter((way) => Object.keys(way).some(isBearer))
    if (withToken.length === 0) return 'unknown'
    return withToken.length === ways.length ? 'needed' : 'taken'
  }

  function readOperation(path: string, method: string, shared: readonly (Parameter | Reference)[]): Operation {
    const written = document.paths[path]?.[method] as WrittenOperation
    const responses = Object.entries(written.responses).map(
      ([status, response]) => [Number(status), follow(response)] as const,
    )
    return {
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters: [...shared, ...(written.parameters ?? [])].map(follow),
      body: written.requestBody === undefined ? null : follow(written.requestBody),
      responses: new Map(responses),
      token: tokenOf(written),
      streams: responses.some(([, { content = {} }]) => 'text/event-stream' in content),
    }
  }

  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    methods
      .filter((method) => method in item)
      .map((method) => readOperation(path, method, (item.parameters ?? []) as readonly Parameter[])),
  )
  return { document, operations, resolve: (schema) => follow(schema), placeOf: finderOf(operations) }
}

/** Finds operations as the router does: fixed paths first, then paths with parameters, which may be empty. A slash at the end is ignored. */
function finderOf(operations: readonly Operation[]): Described['placeOf'] {
  const paths = [...new Set(operations.map(({ path }) => path))]
  const routes = paths
    .sort((one, other) => one.split('{').length - other.split('{').length)
    .map((path) => ({
      pattern: new RegExp(
        `^${path
          .split(/\{[^}]+\}/)
          .map(RegExp.escape)
          .join('[^/]*')}$`,
        's',
      ),
      place: new Map(operations.filter((operation) => operation.path === path).map((found) => [found.method, found])),
    }))
  return (url) => {
    const path = pathOf(url)?.replace(/(?<=.)\/$/s, '')
    return routes.find(({ pattern }) => path !== undefined && pattern.test(path))?.place ?? null
  }
}

/** Returns the path of a URL, decoded except for reserved characters; null where it cannot be decoded. */
export function pathOf(url: string): string | null {
  const [path = ''] = url.replace(/^https?:\/\/[^/]*/i, '').split(/[?#]/, 1)
  try {
    return decodeURI(path.replaceAll('%25', '%2525'))
  } catch {
    return null
  }
}
