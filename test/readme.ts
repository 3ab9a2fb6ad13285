import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The checkout, which the README's commands are run in. */
export const root = join(import.meta.dirname, '..')

export const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** A fenced block; `line` is that of its first line of text. */
export type Block = { readonly language: string; readonly text: string; readonly line: number }

/** The commands of one `sh` block, and what the block right after it says they print; null when it says nothing. */
export type Exchange = { readonly line: number; readonly commands: readonly string[]; readonly answer: string | null }

/** Every fenced block of a Markdown text, in order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ 1: language = '', 2: text = '', index }) => ({
    language,
    text,
    line: markdown.slice(0, index).split('\n').length + 1,
  }))
}

/** Every `sh` block with the answer that follows it. */
export function exchangesOf(markdown: string): Exchange[] {
  const blocks = blocksOf(markdown)
  return blocks.flatMap(({ language, text, line }, index): Exchange[] => {
    if (language !== 'sh') return []
    const commands = text.trimEnd().split('\n')
    const next = blocks[index + 1]
    const follows = next !== undefined && next.language !== 'sh' && next.line === line + commands.length + 2
    return [{ line, commands, answer: follows ? next.text : null }]
  })
}

/** The rows of the table under this header line, as cells without their backquotes. */
export function tableOf(markdown: string, header: string): string[][] {
  const [, after] = markdown.split(`\n${header}\n`)
  if (after === undefined) throw new Error(`the README has no table ${header}`)
  const [rows = ''] = after.split('\n\n')
  return rows
    .split('\n')
    .slice(1)
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
}
