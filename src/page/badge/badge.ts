import type { ReportedStatus } from '../../domain/health/status.ts'
import { type Glyph, glyphs, strokeWidth, unitsPerPixel } from './glyphs.ts'

/** The texts of a badge. The label names the service. The value is its status or its uptime, and `status` gives the colour. */
export type Badge = { readonly label: string; readonly value: string; readonly status: ReportedStatus }

/**
 * Renders a badge as an SVG document. The label is on the left. The shape of the status and the value are on the right, on the
 * colour of the status. Characters are drawn as paths, so that a badge looks the same everywhere. Only a text that is not all ASCII
 * needs a font.
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
 * Formats a ratio from 0 to 1 as a percentage with at most two decimals, and null as `unknown`. Rounds down, because only a ratio of
 * exactly 1 may look like `100%`.
 */
export function formatUptime(ratio: number | null): string {
  if (ratio === null) return 'unknown'
  // Decimal fractions are inexact in binary: without 1e-7, 0.57 becomes 56.99%.
  const hundredths = ratio < 1 ? Math.min(9999, Math.floor(ratio * 10_000 + 1e-7)) : 10_000
  return `${hundredths / 100}%`
}

/** Returns the status whose colour an uptime gets: up from 99.9 %, degraded from 95 %, down below that, and unknown for null. */
export function uptimeStatus(ratio: number | null): ReportedStatus {
  if (ratio === null) return 'unknown'
  if (ratio >= 0.999) return 'up'
  return ratio >= 0.95 ? 'degraded' : 'down'
}

const labelColour = '#3b424a'

/** Colours on which white text is legible. The contrast is at least 4.5:1, as WCAG 2 §1.4.3 requires. */
const colours: Record<ReportedStatus, string> = {
  up: '#1a7f37',
  degraded: '#9a6700',
  down: '#c9252d',
  unknown: '#57606a',
  draining: '#0969da',
}

/** Shapes, 8 pixels high, that distinguish the statuses without colour: a disc, a triangle, a crossed-out square, a ring, two bars. */
const shapes: Record<ReportedStatus, string> = {
  up: 'M0 4a4 4 0 0 1 8 0a4 4 0 0 1-8 0z',
  degraded: 'M4 0l4.5 8h-9z',
  down: 'M1 0h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1zm1.4 1.1L1.1 2.4 2.7 4 1.1 5.6l1.3 1.3L4 5.3l1.6 1.6 1.3-1.3L5.3 4l1.6-1.6-1.3-1.3L4 2.7z',
  unknown: 'M0 4a4 4 0 0 1 8 0a4 4 0 0 1-8 0zm1.5 0a2.5 2.5 0 0 0 5 0a2.5 2.5 0 0 0-5 0z',
  draining: 'M1 0h2v8h-2zm4 0h2v8h-2z',
}

// Lengths in pixels.
const padding = 6
const shapeWidth = 8
const shapeGap = 3
const baseline = 13.5

/** A text in the picture. `width` is in pixels; `draw` returns the markup for a text that begins at `x`. */
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

/** Writes a text in a sans-serif font of the viewer, fitted into an estimated width. */
function writeText(characters: readonly string[]): Drawing {
  const width = Math.ceil(characters.reduce((sum, character) => sum + guessWidth(character), 0))
  const text = escapeXml(characters.join(''))
  return {
    width,
    draw: (x) =>
      `<text fill="#fff" font-family="sans-serif" font-size="11" x="${x}" y="14" textLength="${width}" lengthAdjust="spacingAndGlyphs">${text}</text>`,
  }
}

/** Estimates the width of a character in pixels. Accents are ignored, because they make no letter wider. */
function guessWidth(character: string): number {
  const glyph = glyphs[character.normalize('NFD').charAt(0)]
  if (glyph !== undefined) return (0.9 * glyph.advance) / unitsPerPixel
  return wide.test(character) ? 12 : 6.5
}

/** Characters that are as wide as they are high in most fonts. */
const wide =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uFF01-\uFF60]/u

const mostCharacters = 40
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Splits a text into characters as people count them (graphemes). A text of more than 40 is cut to 39 and an ellipsis. */
function shorten(text: string): string[] {
  const characters = Array.from(segmenter.segment(text), ({ segment }) => segment)
  return characters.length <= mostCharacters ? characters : [...characters.slice(0, mostCharacters - 1), '.', '.', '.']
}

/** Escapes text for XML. Characters that XML forbids even when escaped (XML 1.0 §2.2), tabs and line ends become U+FFFD. */
function escapeXml(text: string): string {
  return text
    .replace(/[^ -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
