import type { IncomingHttpHeaders } from 'node:http'
import type { Condition } from '../../store/store.ts'

/** Returns the entity tag of a revision (RFC 9110 §8.8.3). The tag names the version of the definition, and not the status of the service. */
export function tagOf(revision: number): string {
  return `"${revision}"`
}

/** Matches a list of entity tags, weak ones too. A list may have empty elements (RFC 9110 §5.6.1). */
const tagList = /^[ \t,]*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))+$/
const revisionTag = /(W\/)?"([^"]*)"/g

/**
 * Reads the preconditions of a request. Returns a sentence instead when its headers are wrong. Tags are compared strongly
 * (RFC 9110 §13.1.1), so a weak tag, or a tag that no revision has, matches nothing.
 */
export function readPreconditions(headers: IncomingHttpHeaders): Condition | string {
  const ifMatch = headers['if-match']?.trim()
  const ifNoneMatch = headers['if-none-match']?.trim()
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*')
    return 'If-None-Match takes only *, to register a service that is not registered yet: write If-None-Match: *'
  if (ifMatch !== undefined && ifMatch !== '*' && !tagList.test(ifMatch))
    return 'If-Match is not a list of entity tags: write the ETag of the service with its quotes, such as If-Match: "1795359600000", or *'
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: ifMatch === '*' ? ifMatch : revisionsOf(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: '*' }),
  }
}

function revisionsOf(tags: string): number[] {
  return [...tags.matchAll(revisionTag)].flatMap(([, weak, text = '']) =>
    weak === undefined && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : [],
  )
}
