import type { ReportedStatus } from '../domain/status.ts'
import type { MediaType } from './representation.ts'

/** Whether a status is a pass to its caller: degraded is, unless the caller asked for 503. What is drained never is. */
export function passes(status: ReportedStatus, degradedCode: '200' | '503' = '200'): boolean {
  return status === 'up' || (status === 'degraded' && degradedCode === '200')
}

/** The HTTP status that carries a status. */
export function statusCodeOf(status: ReportedStatus, degradedCode?: '200' | '503'): 200 | 503 {
  return passes(status, degradedCode) ? 200 : 503
}

/**
 * What a health answer says beside its body. Instants in milliseconds; `checkedAt` null: something was never checked, so there is
 * no age to tell. An answer without details is not for who sends a token. One that needed a token is shared with nobody, and
 * need not say so (RFC 9110 §12.5.5).
 */
export function healthHeaders(
  type: MediaType,
  checkedAt: number | null,
  now: number,
  details: boolean,
): Record<string, string | number> {
  return {
    ...(checkedAt === null ? {} : { age: Math.max(0, Math.floor((now - checkedAt) / 1000)) }),
    'cache-control': 'no-store',
    vary: details ? 'accept' : 'accept, authorization',
    'content-type': `${type}; charset=utf-8`,
  }
}
