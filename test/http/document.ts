import assert from 'node:assert/strict'
import type { LightMyRequestResponse } from 'fastify'
import { z } from 'zod'

type Schema = Record<string, unknown>
type Operation = { responses: Record<string, { content?: Record<string, { schema: Schema }> }> }

/** The parts of an OpenAPI document that tests read. */
export type OpenApi = {
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Record<string, Schema> }
}

/** Fails unless the document describes this answer: its path, status code, media type and body. */
export function assertDocumented(document: OpenApi, path: string, response: LightMyRequestResponse): void {
  const { responses } = document.paths[path]?.get ?? assert.fail(`${path} is documented`)
  const type = String(response.headers['content-type']).split(';')[0] ?? ''
  const documented = responses[response.statusCode]?.content?.[type]
  assert.ok(documented, `${path} is documented with ${response.statusCode} ${type}`)
  const body: unknown = type.endsWith('json') ? response.json() : response.body
  const read = readerOf(document, documented.schema).safeParse(body)
  assert.ok(
    read.success,
    `${path} ${response.statusCode} ${type}: ${read.error && z.prettifyError(read.error)}\n${response.body}`,
  )
}

/** Returns a parser for a schema of the document. zod reads only references to `$defs`. */
function readerOf({ components }: OpenApi, schema: Schema): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: components.schemas })
  return z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')))
}
