import type { Token } from '../domain/values/token.ts'
import type { Finding } from './problem.ts'
import type { FileSettings } from './settings.ts'

/** Returns the token in the environment and the tokens of the file. */
export function tokensOf(settings: FileSettings, fromEnvironment: Token | null): Token[] {
  const parsedFile = Object.entries(settings.tokens ?? {}).map(([name, sha256]) => ({ name, sha256 }))
  return fromEnvironment === null ? parsedFile : [fromEnvironment, ...parsedFile]
}

/** Returns advice on two names of one token. The log cannot tell their clients apart, and to withdraw one of them changes nothing. */
export function adviseOnTokens(tokens: readonly Token[]): Finding[] {
  const names = new Map<string, string>()
  return tokens.flatMap(({ name, sha256 }): Finding[] => {
    const first = names.get(sha256)
    names.set(sha256, first ?? name)
    if (first === undefined) return []
    const message = `this is the same token as ${first}: give each a secret of its own, or remove one`
    return [{ path: ['tokens', name], part: 'key', message }]
  })
}
