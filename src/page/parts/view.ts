import { isoTime } from '../../http/health/reports.ts'
import type { History } from '../../monitor/state/history.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { Clock } from '../../runtime/clock.ts'
import { formatAge } from './format.ts'
import { html, type Markup } from './markup.ts'

/** The context of one page: the rights of the client, the time, and the sources of data. */
export type View = {
  /** The URL of Porthole's root, which the page puts before its own paths. */
  readonly root: string
  /** Whether the client may see targets, addresses and sentences. */
  readonly details: boolean
  /** The instant of the clock that the page shows, in milliseconds. */
  readonly now: number
  readonly clock: Clock
  readonly history: History
  readonly log: TransitionLog
}

/** Renders the age of an instant, such as `for 12 s` or `12 s ago`, which the page's script keeps up to date. Returns null for null. */
export function ageOf(instant: number | null, { now, clock }: View, form: 'for' | 'ago'): Markup | null {
  if (instant === null) return null
  const age = formatAge(Math.max(0, now - instant))
  const text = form === 'for' ? `for ${age}` : `${age} ago`
  const iso = isoTime(instant, clock)
  return html`<time datetime="${iso}" title="${iso}" data-age="${form}">${text}</time>`
}
