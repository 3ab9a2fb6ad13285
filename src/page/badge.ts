import type { ReportedStatus } from '../domain/status.ts'
import { type Glyph, glyphs, strokeWidth, unitsPerPixel } from './glyphs.ts'

/** What a badge says of whom; the value is the status in a word, or a number that has its colour. */
export type Badge = { readonly label: string; readonly value: string; readonly status: ReportedStatus }

/**
 * A badge as an SVG document: the label on the left, the value on the right on the status's colour, behind its shape. It
 * reads the same everywhere, as characters are drawn and no font is asked for; only a text that is not all ASCII needs one.
 */
export function renderBadge({ label, value, status }: Badge): string {
  const title = escapeXml(`${label}: ${value}`)
  const [left, right] = [drawText(label), drawText(value)]
  const split = left.width + 2 * padding
  const valueAt = split + padding + shapeWidth + shapeGap
  const width = valueAt + right.width + padding
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" viewBox="0 0 ${width} 20" role="img" aria-label="${title}">
<title>${title}</title>
<path fill="${labelColour}" d="M3 0H${split}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>
<path fill="${colours[status]}" d="M${split} 0H${width - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H${split}z"/>
<path fill="#fff" fill-rule="evenodd" transform="translate(${split + padding} 6)" d="${shapes[status]}"/>
${left.draw(padding)}
${right.draw(valueAt)}
</svg>
`
}

/**
 * A part of the time as a percentage with two decimals at most. Rounded down, as what is not whole must not look so:
 * `100%` is 1 alone.
 */
export function formatUptime(ratio: number | null): string {
  if (ratio === null) return 'unknown'
  // The little that is added makes up for what a decimal fraction loses in binary.
  const hundredths = ratio < 1 ? Math.min(9999, Math.floor(ratio * 10_000 + 1e-7)) : 10_000
  return `${hundredths / 100}%`
}

/** The status whose colour an uptime has: up from 99.9%, degraded from 95%, else down; unknown where nothing is known. */
export function uptimeStatus(ratio: number | null): ReportedStatus {
  if (ratio === null) return 'unknown'
  if (ratio >= 0.999) return 'up'
  return ratio >= 0.95 ? 'degraded' : 'down'
}

const labelColour = '#3b424a'

/** White can be read on each of them: 4.5:1 at least, as WCAG 2 §1.4.3 asks. */
const colours: Record<ReportedStatus, string> = {
  up: '#1a7f37',
  degraded: '#9a6700',
  down: '#c9252d',
  unknown: '#57606a',
  draining: '#0969da',
}

/** What tells statuses apart without their colour, each 8 high: a disc, a triangle, a crossed-out square, a ring, two bars. */
const shapes: Record<ReportedStatus, string> = {
  up: 'M0 4a4 4 0 0 1 8 0a4 4 0 0 1-8 0z',
  degraded: 'M4 0l4.5 8h-9z',
  down: 'M1 0h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1zm1.4 1.1L1.1 2.4 2.7 4 1.1 5.6l1.3 1.3L4 5.3l1.6 1.6 1.3-1.3L5.3 4l1.6-1.6-1.3-1.3L4 2.7z',
  unknown: 'M0 4a4 4 0 0 1 8 0a4 4 0 0 1-8 0zm1.5 0a2.5 2.5 0 0 0 5 0a2.5 2.5 0 0 0-5 0z',
  draining: 'M1 0h2v8h-2zm4 0h2v8h-2z',
}

// All in pixels.
const padding = 6
const shapeWidth = 8
const shapeGap = 3
const baseline = 13.5

/** A text in the picture: how wide it is, and its markup from where it begins. */
type Drawing = { readonly width: number; draw(x: number): string }

function drawText(whole: string): Drawing {
  const characters = shorten(whole)
  const drawn = characters.map((character) => glyphs[character])
  return drawn.every((glyph) => glyph !== undefined) ? drawGlyphs(drawn) : writeText(characters)
}

function drawGlyphs(drawn: readonly Glyph[]): Drawing {
  let at = 0
  let path = ''
  for (const glyph of drawn) {
    if (glyph.path !== '') path += `M${at} 0${glyph.path}`
    at += glyph.advance
  }
  const pen = `fill="none" stroke="#fff" stroke-width="${strokeWidth}" stroke-linecap="round" stroke-linejoin="round"`
  return {
    width: at / unitsPerPixel,
    draw: (x) => `<path ${pen} transform="translate(${x} ${baseline})scale(${1 / unitsPerPixel})" d="${path}"/>`,
  }
}

/** In whatever font there is, fitted into the room that it is guessed to need. */
function writeText(characters: readonly string[]): Drawing {
  const width = Math.ceil(characters.reduce((sum, character) => sum + guessWidth(character), 0))
  const text = escapeXml(characters.join(''))
  return {
    width,
    draw: (x) =>
      `<text fill="#fff" font-family="sans-serif" font-size="11" x="${x}" y="14" textLength="${width}" lengthAdjust="spacingAndGlyphs">${text}</text>`,
  }
}

/** Accents make no letter wider. */
function guessWidth(character: string): number {
  const glyph = glyphs[character.normalize('NFD').charAt(0)]
  if (glyph !== undefined) return (0.9 * glyph.advance) / unitsPerPixel
  return wide.test(character) ? 12 : 6.5
}

/** What is as wide as it is high in most fonts. */
const wide =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uFF01-\uFF60]/u

const mostCharacters = 40
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The characters of a text as people count them; of a long one the first, and an ellipsis. */
function shorten(text: string): string[] {
  const characters = Array.from(segmenter.segment(text), ({ segment }) => segment)
  return characters.length <= mostCharacters ? characters : [...characters.slice(0, mostCharacters - 1), '.', '.', '.']
}

/** Text for XML. What it must not hold, escaped or not (XML 1.0 §2.2), becomes U+FFFD, as do tabs and ends of lines. */
function escapeXml(text: string): string {
  return text
    .replace(/[^ -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
