import type { ReportedStatus } from '../../domain/health/status.ts'
import { isoTime } from '../../http/health/reports.ts'
import { html, type Markup } from './markup.ts'
import type { View } from './view.ts'

/** The content security policy of a page: files come from Porthole alone, and there is no inline script or style. */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

type Page = {
  readonly title: string
  /** The status that the icon and the colours show. */
  readonly status: ReportedStatus
  /** The content, in chunks. */
  readonly main: Iterable<Markup>
  readonly view: View
  /** The digest of the files that belong to this page. */
  readonly assets: string
  readonly version: string
  /** The query of `/v1/events` for the services of this page; null for clients that may not read events. */
  readonly events: string | null
}

const asset = ({ view: { root }, assets }: Page, name: string) => `${root}page/${name}?v=${assets}`

/** Yields a whole document in chunks. The page's script updates the elements with `data-part` while the page is open. */
export function* layOut(page: Page): Generator<string> {
  const { title, status, main, view, version, events } = page
  const now = isoTime(view.now, view.clock)
  yield html`<!doctype html>
<html lang="en" data-status="${status}" data-now="${now}" data-assets="${page.assets}"${events !== null && html` data-events="${events}"`}>
<head>
<meta charset="utf-8">
<title>${title} · Porthole</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<link rel="icon" type="image/svg+xml" href="${asset(page, `icon-${status}.svg`)}">
<link rel="stylesheet" href="${asset(page, 'page.css')}">
<script type="module" src="${asset(page, 'page.js')}"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<a class="home" href="${view.root}"><svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="13.5"/><circle cx="16" cy="16" r="7.5"/><path d="M16 2.5v3M16 26.5v3M2.5 16h3M26.5 16h3"/></svg>Porthole</a>
<p class="as-of" data-part="as-of">As of <time datetime="${now}">${now.slice(0, 19).replace('T', ' ')} UTC</time></p>
<p id="live" hidden></p>
</header>
<p id="lost" hidden></p>
<p id="news" role="status"></p>
<main id="main" tabindex="-1">
`.markup
  for (const { markup } of main) yield markup
  yield html`
</main>
<footer>
<nav aria-label="More of Porthole"><a href="${view.root}docs">API</a> ${view.details && html`<a href="${view.root}v1/transitions">Transitions</a>`} <a href="${view.root}metrics">Metrics</a></nav>
<p>Porthole ${version}</p>
</footer>
</body>
</html>
`.markup
}
