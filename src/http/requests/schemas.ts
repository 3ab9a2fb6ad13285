import type { FastifyServerOptions } from 'fastify'
import type {
  FastifySchemaCompiler,
  FastifySchemaValidationError,
  FastifySerializerCompiler,
} from 'fastify/types/schema.js'
import { z } from 'zod'

/**
 * Returns a function that validates a part of a request. Headers pass, because the document describes them and each handler reads its own, so that
 * no header fails a request here.
 */
export const compileRequestSchema: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  if (httpPart === 'headers') return () => true
  return (value: unknown) => {
    const read = schema.safeParse(value)
    return read.success ? { value: read.data } : { error: read.error.issues.map(describeIssue) }
  }
}

function describeIssue({ code, path, message }: z.core.$ZodIssue): FastifySchemaValidationError {
  const instancePath = `/${path.join('/')}`
  return { keyword: code, instancePath, schemaPath: `#${instancePath}/${code}`, message, params: {} }
}

/**
 * Returns a function that validates an answer and writes it. It uses `JSON.stringify`, because values that passed a schema are plain JSON. Compiling a
 * serializer for each schema would take a third of the start, and 50 ms of the first answer.
 */
export const compileResponseSchema: FastifySerializerCompiler<unknown> = ({ schema, method, url }) => {
  // A response without a body has a description alone.
  if (!(schema instanceof z.ZodType)) return JSON.stringify
  return (value: unknown) => {
    const read = schema.safeParse(value)
    if (!read.success)
      throw new Error(`the answer of ${method} ${url} does not match its schema: ${z.prettifyError(read.error)}`)
    return JSON.stringify(read.data)
  }
}

/** The option by which Fastify uses these compilers and does not load its own. Its type names only the compilers of Fastify's own libraries. */
export const schemaController = {
  compilersFactory: { buildValidator: () => compileRequestSchema, buildSerializer: () => compileResponseSchema },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>
