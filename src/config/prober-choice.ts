import { quote } from '../domain/values/quote.ts'
import type { Problem } from './problem.ts'

/** The values of PORTHOLE_PROBER: `auto` is the kernel prober if it can run, otherwise the portable one. */
export const proberChoices = ['auto', 'kernel', 'portable'] as const
export type ProberChoice = (typeof proberChoices)[number]

type Variables = Readonly<Record<string, string | undefined>>

/** Reads PORTHOLE_PROBER. Returns null if it is not set, and a problem if it is not one of the choices. */
export function readProberChoice(env: Variables): ProberChoice | null | Problem {
  return readChoice(env, 'PORTHOLE_PROBER', 'prober', proberChoices)
}

/** Reads a variable that takes one of a few words. Returns null if it is not set, and a problem if it is another word. */
export function readChoice<Word extends string>(
  env: Variables,
  name: string,
  what: string,
  words: readonly Word[],
): Word | null | Problem {
  const text = env[name] ?? ''
  if (text === '') return null
  const all = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return (
    words.find((known) => known === text) ?? {
      place: name,
      path: '',
      message: `${quote(text)} is not a ${what}: write ${all}`,
    }
  )
}
