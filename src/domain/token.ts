import { z } from 'zod'
import { quote } from './quote.ts'

/** One of the secrets that allow changes, known by its name; the secret itself is kept nowhere. */
export type Token = {
  readonly name: string
  /** SHA-256 of the secret, in small hexadecimal digits. */
  readonly sha256: string
}

const howToHash = 'write sha256: and the 64 digits that printf %s TOKEN | sha256sum prints'
/** What the SHA-256 of nothing begins with; it is what the command prints when a shell variable in it is not set. */
const ofNothing = 'e3b0c44298fc1c149afbf4c8996fb924'

/** The hash of a token as written in configuration; read as small hexadecimal digits. */
export const TokenHash = z
  // Where a hash belongs, a secret is what people write by mistake: no message repeats it.
  .string({ error: `this is not the hash of a token: ${howToHash}` })
  .regex(/^sha256:[0-9a-fA-F]{64}$/, { error: `this is not the hash of a token: ${howToHash}` })
  .transform((text) => text.slice('sha256:'.length).toLowerCase())
  .refine((sha256) => !sha256.startsWith(ofNothing), {
    error: `this is the hash of an empty text: ${howToHash}, with the token itself for TOKEN`,
  })

/** What a token is called, in the configuration and in the log. */
export const TokenName = z
  .string({ error: (issue) => `${quote(issue.input)} is not the name of a token: write text such as deploy` })
  .regex(/^[A-Za-z0-9_.-]{1,100}$/, {
    error: (issue) =>
      `${quote(issue.input)} is not the name of a token: write 1 to 100 letters, digits, dots, hyphens and underscores`,
  })

/** What can follow `Bearer` in a header (RFC 6750 §2.1, b68token). */
export const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/

const shortest = 16

/** Why a secret is of no use as a token: it cannot be sent, or is easy to guess. Null when it is fine. It is never repeated. */
export function flawOfSecret(text: string): string | null {
  const remedy = 'write what openssl rand -hex 32 prints'
  if (text.trim() !== text)
    return 'the token begins or ends with a space or a line break, as what is read from a file often does: write it without'
  if (!bearerToken.test(text)) return `the token has characters that cannot be sent as a bearer token: ${remedy}`
  return text.length < shortest ? `the token has fewer than ${shortest} characters: ${remedy}` : null
}

/** Who is shown targets, addresses and sentences: everybody, or only who has a token. */
export const Details = z.enum(['all', 'token'], {
  error: (issue) => `${quote(issue.input)} is not who may see details: write all or token`,
})
export type Details = z.infer<typeof Details>
