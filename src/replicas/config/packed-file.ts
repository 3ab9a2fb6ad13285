import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Stored } from '../../store/store.ts'

/** The form in which this version compresses definitions. Each packed text begins with the name of its form. */
export const packedForm = 'gzip'

/** The most characters of a packed text, and the most bytes of the text in it: about ten times those of 100,000 services. */
export const mostPacked = 64 * 1024 * 1024
const mostTextBytes = 256 * 1024 * 1024

/**
 * Packs a text for Redis, on another thread. Returns the form, a space, and the compressed text in base64, because the client reads replies as text.
 */
export async function packText(text: string): Promise<string> {
  const packed = await promisify(gzip)(text)
  return `${packedForm} ${packed.toString('base64')}`
}

/** Unpacks a text, on another thread. Fails with a clause if this version does not know the form, or if the text is damaged or too large. */
export async function unpackText(packed: string): Promise<Stored<string>> {
  const space = packed.indexOf(' ')
  const form = packed.slice(0, Math.min(Math.max(space, 0), 40))
  if (form !== packedForm)
    return { ok: false, failure: `it is in the form "${form}", and this version reads ${packedForm}` }
  try {
    const bytes = Buffer.from(packed.slice(space + 1), 'base64')
    return { ok: true, value: (await promisify(gunzip)(bytes, { maxOutputLength: mostTextBytes })).toString() }
  } catch (error) {
    return { ok: false, failure: `it cannot be decompressed: ${(error as Error).message}` }
  }
}
