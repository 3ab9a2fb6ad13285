import fastJson from 'fast-json-stringify'
import { z } from 'zod'
import { HealthJson } from './health-json.ts'
import { ServiceReport } from './reports.ts'
import { SetReport } from './set-reports.ts'

/**
 * The schemas of the writers below, by their names. `npm run build` compiles the writers from them, because that takes a tenth of a start, and a
 * compiler that no other code uses. Uses OpenAPI 3.0's `nullable`, because the library validates every value of an `anyOf`.
 */
export const writerSchemas = {
  writeService: jsonSchemaOf(ServiceReport),
  writeSet: jsonSchemaOf(SetReport),
  writeHealthJson: jsonSchemaOf(HealthJson),
}

function jsonSchemaOf(schema: z.ZodType): fastJson.AnySchema {
  return z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'output' }) as fastJson.AnySchema
}

/** Writes the report of a service as JSON. */
export const writeService: (report: ServiceReport) => string = fastJson(writerSchemas.writeService)
/** Writes the report of a set of services as JSON. */
export const writeSet: (report: SetReport) => string = fastJson(writerSchemas.writeSet)
/** Writes a report as `application/health+json`. */
export const writeHealthJson: (report: HealthJson) => string = fastJson(writerSchemas.writeHealthJson)
