import { z } from 'zod'
import { quote } from './quote.ts'

/** One of the secrets that allow changes, known by its name; the secret itself is kept nowhere. */
export type Token = {
  readonly name: string
  /** SHA-256 of the secret, in hexadecimal. */
  readonly sha256: string
}

/** Who is shown targets, addresses and sentences: everybody, or only who has a token. */
export const Details = z.enum(['all', 'token'], {
  error: (issue) => `${quote(issue.input)} is not who may see details: write all or token`,
})
export type Details = z.infer<typeof Details>
