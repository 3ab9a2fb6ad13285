import { z } from 'zod'

/** Settings that another version of Porthole wrote: a replica, or an earlier process. */
export type ForeignSettings<Settings> = {
  readonly settings: Settings
  /** The names of settings that this version cannot read, and without which its checks would be wrong. */
  readonly unread: readonly string[]
  /** The names of settings that this version does not know and can do without. */
  readonly ignored: readonly string[]
}

/** A word of a newer version that this version does not know, with one place where it occurs. */
export type ForeignWord = {
  /** A setting that this version can do without, a setting that it cannot do without, a reason of a check, or a kind of entry in the stream. */
  readonly kind: 'ignored setting' | 'unread setting' | 'reason' | 'entry'
  readonly word: string
  readonly where: string
}

/** Returns one word for each setting that this version does not know or cannot read. */
export function foreignWordsOf(
  { unread, ignored }: Pick<ForeignSettings<unknown>, 'unread' | 'ignored'>,
  where: string,
): ForeignWord[] {
  return [
    ...unread.map((word): ForeignWord => ({ kind: 'unread setting', word, where })),
    ...ignored.map((word): ForeignWord => ({ kind: 'ignored setting', word, where })),
  ]
}

const Required = z.array(z.string()).catch([])

/**
 * Reads settings that a newer version may have written, as far as this version can. A newer version lists in `requires` the settings
 * without which a check would be wrong. Porthole ignores any other setting that it does not know. A known setting with an unreadable value
 * counts as required. Returns a sentence that names the error when a setting that `schema` requires cannot be read.
 */
export function readForeignSettings<Schema extends z.ZodObject>(
  schema: Schema,
  written: unknown,
): ForeignSettings<z.infer<Schema>> | string {
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return explain(schema, written)
  const { requires, ...fields } = written as Record<string, unknown>
  const required = Required.parse(requires)
  const unknown = Object.keys(fields).filter((name) => !Object.hasOwn(schema.shape, name))
  const known = omit(fields, unknown)
  const first = schema.safeParse(known)
  const unreadable = first.success ? [] : [...new Set(first.error.issues.map(({ path: [name] }) => String(name)))]
  const read = first.success ? first : schema.safeParse(omit(known, unreadable))
  if (!read.success) return explain(schema, known)
  return {
    settings: read.data,
    unread: [...unreadable, ...required.filter((name) => unknown.includes(name))],
    ignored: unknown.filter((name) => !required.includes(name)),
  }
}

function omit(fields: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}

function explain(schema: z.ZodObject, written: unknown): string {
  const issues = schema.safeParse(written).error?.issues ?? []
  return issues.map(({ path, message }) => [...path, message].join(': ')).join('; ')
}
