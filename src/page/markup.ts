/** Text that is HTML or SVG already, as opposed to text that has yet to be written as such. */
export type Markup = { readonly markup: string }

type Value = string | number | Markup | readonly Markup[] | null | false

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as it may stand in an element or between the quotes of an attribute, whatever it holds (WHATWG HTML §13.1.2). */
export function escapeText(text: string): string {
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (character) => escapes[character] ?? '') : text
}

/**
 * Markup from a template, and the only way to make any: what is put in is text, and escaped, unless it is markup itself. Names,
 * labels and sentences come from whoever registers services. Attributes must be written with double quotes around them.
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
