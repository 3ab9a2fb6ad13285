import { closeModes } from '../domain/service/built-in-defaults.ts'
import type { Close } from '../domain/service/policy-settings.ts'
import { parseTarget, type Target } from '../domain/target/target.ts'
import type { Output } from './output.ts'

/** Parses targets. Writes a line for each text that is not a target, and then returns null. */
export function readTargets(texts: readonly string[], { err }: Pick<Output, 'err'>): Target[] | null {
  const parsed = texts.map(parseTarget)
  for (const target of parsed) if (typeof target === 'string') err(target)
  const targets = parsed.filter((target) => typeof target !== 'string')
  return targets.length === texts.length ? targets : null
}

/** Reads the option `--close`. Returns null for a word that is not a close mode. */
export function readClose(text: string): Close | null {
  return closeModes.find((mode) => mode === text) ?? null
}

/** Returns the error of the option `--close`. */
export const explainClose = (text: string) => `--close ${text}: write half-open, rst or fin`
