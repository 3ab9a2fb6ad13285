import type { ReportedStatus } from '../../domain/health/status.ts'
import type { MediaType } from './representation.ts'

/** Returns whether a status is a pass. `degraded` is one unless the caller asked for 503. `draining` never is. */
export function passes(status: ReportedStatus, degradedCode: '200' | '503' = '200'): boolean {
  return status === 'up' || (status === 'degraded' && degradedCode === '200')
}

/** Returns the HTTP status code for a status. */
export function statusCodeOf(status: ReportedStatus, degradedCode?: '200' | '503'): 200 | 503 {
  return passes(status, degradedCode) ? 200 : 503
}

/**
 * Returns the headers of a health answer. Instants are in milliseconds. There is no `Age` where `checkedAt` is null, because a
 * target was never checked. An answer without details varies by `Authorization`, because a client with a token sees more. An
 * answer that needed a token need not say so (RFC 9110 §12.5.5), because caches do not share it.
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
