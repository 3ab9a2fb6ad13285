import type { ReportedStatus } from '../../domain/health/status.ts'
import { html, type Markup } from './markup.ts'

/** One shape for each status on 16 × 16 units, so that no status is shown by colour alone. All are filled by the even-odd rule. */
const paths: Readonly<Record<ReportedStatus, string>> = {
  up: 'M8 2a6 6 0 0 1 0 12A6 6 0 0 1 8 2z',
  degraded: 'M8 1.5 15 14.5H1z',
  down: 'M1.5 1.5h13v13h-13zM5.5 4 4 5.5 6.5 8 4 10.5 5.5 12 8 9.5 10.5 12 12 10.5 9.5 8 12 5.5 10.5 4 8 6.5z',
  unknown: 'M8 1.5a6.5 6.5 0 0 1 0 13a6.5 6.5 0 0 1 0-13zM8 3.7a4.3 4.3 0 0 0 0 8.6a4.3 4.3 0 0 0 0-8.6z',
  draining: 'M3 2h3.5v12H3zM9.5 2H13v12H9.5z',
}

/** Renders the shape of a status in the colour of the text. Screen readers skip it, because the word of the status is beside it. */
export function statusShape(status: ReportedStatus): Markup {
  return html`<svg class="shape" viewBox="0 0 16 16" aria-hidden="true"><path fill-rule="evenodd" d="${paths[status]}"/></svg>`
}

/** The colours of the icon, which must be visible on light and on dark tabs. */
const colours: Readonly<Record<ReportedStatus, string>> = {
  up: '#1a7f37',
  degraded: '#bf8700',
  down: '#d1242f',
  unknown: '#6e7781',
  draining: '#0969da',
}

/** Renders the icon of a page with this status, as an SVG document: the shape of the status inside a porthole. */
export function statusIcon(status: ReportedStatus): string {
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="${colours[status]}"/><circle cx="16" cy="16" r="11.5" fill="#fff"/><path fill="${colours[status]}" fill-rule="evenodd" transform="translate(8 8)" d="${paths[status]}"/></svg>`
    .markup
}
