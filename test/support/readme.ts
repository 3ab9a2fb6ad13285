/** Reads the documentation: README.md and every page of docs/. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The checkout, in which the commands of the documentation are run. */
export const root = join(import.meta.dirname, '../..')

/** A page of the documentation; `path` is relative to the checkout. */
export type Page = { readonly path: string; readonly text: string }

/** README.md first, then the pages of docs/ in the order of their names. */
export const pages: readonly Page[] = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

export const readme = pages[0]?.text ?? ''

/**
 * A fenced block. `line` is that of its first line of text. `notRun` is the reason why no test runs it, which the line above the block gives:
 * `<!-- not run: REASON -->`; null where there is no such line.
 */
export type Block = {
  readonly language: string
  readonly text: string
  readonly line: number
  readonly notRun: string | null
}

/** An `sh` block and the text that the block right after it says it prints; null when no block follows it. */
export type Exchange = Pick<Block, 'text' | 'line' | 'notRun'> & { readonly answer: string | null }

/** Returns every fenced block of a Markdown text, in order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/(?:^<!-- not run: (.+) -->\n)?^```(\w+)\n(.*?)^```$/gms)].map((match) => {
    const { 1: notRun = null, 2: language = '', 3: text = '', index } = match
    const before = markdown.slice(0, index).split('\n').length
    return { language, text, line: before + (notRun === null ? 1 : 2), notRun }
  })
}

/** Returns every `sh` block with the answer that follows it. */
export function exchangesOf(markdown: string): Exchange[] {
  const blocks = blocksOf(markdown)
  return blocks.flatMap(({ language, text, line, notRun }, index): Exchange[] => {
    if (language !== 'sh') return []
    const next = blocks[index + 1]
    // The closing fence of this block and the opening fence of the next lie between the two texts.
    const follows = next !== undefined && next.language !== 'sh' && next.line === line + text.split('\n').length + 1
    return [{ text, line, notRun, answer: follows ? next.text : null }]
  })
}

/**
 * Returns the rows of all tables of the documentation that have this header line, as cells without their backquotes. A table may be
 * spread over several sections.
 */
export function tableOf(header: string): string[][] {
  const tables = pages.flatMap(({ text }) => text.split(`\n${header}\n`).slice(1))
  if (tables.length === 0) throw new Error(`no page of the documentation has a table ${header}`)
  return tables.flatMap((after) => {
    const [rows = ''] = after.split('\n\n')
    return rows
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) =>
        row
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim().replaceAll('`', '')),
      )
  })
}

/** Returns a Markdown text in which code is blank and every line keeps its number. */
function withoutCode(markdown: string): string {
  const fenced = markdown.replace(/^```.*?^```$/gms, (block) => block.replace(/[^\n]/g, ''))
  return fenced.replace(/`[^`\n]*`/g, (code) => ' '.repeat(code.length))
}

/** Returns the destinations of all links and pictures of a Markdown text, each with its line. */
export function linksOf(markdown: string): { readonly link: string; readonly line: number }[] {
  return withoutCode(markdown)
    .split('\n')
    .flatMap((text, index) =>
      [...text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g)].map(([, plain, attribute]) => ({
        link: plain ?? attribute ?? '',
        line: index + 1,
      })),
    )
}

/**
 * Returns the anchors of a Markdown text. GitHub makes them of headings: in small letters, without punctuation, with hyphens for spaces,
 * and with a number where the same one was given before.
 */
export function anchorsOf(markdown: string): string[] {
  const given = new Map<string, number>()
  const text = markdown.replace(/^```.*?^```$/gms, '')
  return [...text.matchAll(/^#+ +(.+)$|<a id="([^"]+)"/gm)].map(([, heading, id]) => {
    if (id !== undefined) return id
    const plain = (heading ?? '')
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
    const anchor = plain.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-')
    const before = given.get(anchor) ?? 0
    given.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}
