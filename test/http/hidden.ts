import { createHash } from 'node:crypto'

export const secret = 'a-secret-of-the-tests'

/** Access settings that hide details from requests without the secret. */
export const hidden = {
  tokens: [{ name: 'tests', sha256: createHash('sha256').update(secret).digest('hex') }],
  details: 'token',
} as const
