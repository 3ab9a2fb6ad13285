import { closestWord } from '../../domain/values/closest-word.ts'

/** Returns the message for an unknown key: the key that was probably meant, and all known keys. */
export function explainUnknownKey(key: string, known: readonly string[]): string {
  const close = closestWord(key, known)
  const guess = close === null ? 'unknown key' : `unknown key, did you mean ${close}?`
  return `${guess} (known here: ${known.join(', ')})`
}
