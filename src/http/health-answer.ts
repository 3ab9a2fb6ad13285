import type { Status } from '../domain/status.ts'
import type { MediaType } from './representation.ts'

/** Whether a status is a pass to its caller: degraded is, unless the caller asked for 503. */
export function passes(status: Status, degradedCode: '200' | '503' = '200'): boolean {
  return status === 'up' || (status === 'degraded' && degradedCode === '200')
}

/** The HTTP status that carries a status. */
export function statusCodeOf(status: Status, degradedCode?: '200' | '503'): 200 | 503 {
  return passes(status, degradedCode) ? 200 : 503
}

/** What a health answer says beside its body. Instants in milliseconds; `checkedAt` null: something was never checked, so there is no age to tell. */
export function healthHeaders(type: MediaType, checkedAt: number | null, now: number): Record<string, string | number> {
  return {
    ...(checkedAt === null ? {} : { age: Math.max(0, Math.floor((now - checkedAt) / 1000)) }),
    'cache-control': 'no-store',
    vary: 'accept',
    'content-type': `${type}; charset=utf-8`,
  }
}
