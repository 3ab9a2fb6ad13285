/** HTML or SVG. A plain string is text that still has to be escaped. */
export type Markup = { readonly markup: string }

type Value = string | number | Markup | readonly Markup[] | null | false

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Escapes any text for an element or a quoted attribute value (WHATWG HTML §13.1.2). */
export function escapeText(text: string): string {
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (character) => escapes[character] ?? '') : text
}

/**
 * Makes markup from a template; there is no other way to make any. Strings are escaped, because clients that register services choose
 * names, labels and parts of sentences. Markup is inserted as it is; null and false insert nothing. Attribute values need double quotes.
 */
export function html(parts: TemplateStringsArray, ...values: Value[]): Markup {
  let markup = parts[0] ?? ''
  for (const [index, value] of values.entries()) markup += written(value) + (parts[index + 1] ?? '')
  return { markup }
}

function written(value: Value): string {
  if (value === null || value === false) return ''
  if (typeof value === 'string') return escapeText(value)
  if (typeof value === 'number') return String(value)
  return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('')
}
