import { z } from 'zod'
import { quote } from './quote.ts'

/** A token that allows changes. Porthole stores its name and its hash, never the secret itself. */
export type Token = {
  readonly name: string
  /** SHA-256 of the secret, in lower-case hexadecimal digits. */
  readonly sha256: string
}

const howToHash = 'write sha256: and the 64 digits that printf %s TOKEN | sha256sum prints'
/** The beginning of the SHA-256 of an empty text. The command prints it when the shell variable for the token is not set. */
const hashOfEmptyText = 'e3b0c44298fc1c149afbf4c8996fb924'

/** The schema of the hash of a token in the configuration, parsed to lower-case hexadecimal digits. */
export const TokenHash = z
  // No message repeats the text, because people write the secret here by mistake.
  .string({ error: `this is not the hash of a token: ${howToHash}` })
  .regex(/^sha256:[0-9a-fA-F]{64}$/, { error: `this is not the hash of a token: ${howToHash}` })
  .transform((text) => text.slice('sha256:'.length).toLowerCase())
  .refine((sha256) => !sha256.startsWith(hashOfEmptyText), {
    error: `this is the hash of an empty text: ${howToHash}, with the token itself for TOKEN`,
  })

/** The name of a token in the configuration and in the log. */
export const TokenName = z
  .string({ error: (issue) => `${quote(issue.input)} is not the name of a token: write text such as deploy` })
  .regex(/^[A-Za-z0-9_.-]{1,100}$/, {
    error: (issue) =>
      `${quote(issue.input)} is not the name of a token: write 1 to 100 letters, digits, dots, hyphens and underscores`,
  })

/** A token that a header can carry after `Bearer` (RFC 6750 §2.1, b64token). */
export const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/

const shortest = 16

/**
 * Returns why a secret is not usable as a token: a header cannot carry it, or it is short enough to guess. Null when it is usable. No message
 * repeats the secret.
 */
export function flawOfSecret(text: string): string | null {
  const remedy = 'write the output of openssl rand -hex 32'
  if (text.trim() !== text)
    return 'the token begins or ends with a space or a line break, as text from a file often does: write it without'
  if (!bearerToken.test(text)) return `the token has characters that cannot be sent as a bearer token: ${remedy}`
  return text.length < shortest ? `the token has fewer than ${shortest} characters: ${remedy}` : null
}

/** The readers that see targets, addresses and sentences: all readers, or only those with a token. */
export const Details = z.enum(['all', 'token'], {
  error: (issue) => `${quote(issue.input)} is not a setting for details: write all or token`,
})
export type Details = z.infer<typeof Details>
