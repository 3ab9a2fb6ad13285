import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Stored } from '../store/store.ts'

/** The form in which this version packs the text of a file, and which each packed text names first. */
export const packedForm = 'gzip'

/** How long a packed text may be, in characters, and the text in it, in bytes: some ten times what 100,000 services take. */
export const mostPacked = 64 * 1024 * 1024
const mostTextBytes = 256 * 1024 * 1024

/** Packs a text for Redis, on another thread: its form, a space, and the compressed text in base64, because replies are read as text. */
export async function packText(text: string): Promise<string> {
  const packed = await promisify(gzip)(text)
  return `${packedForm} ${packed.toString('base64')}`
}

/** Unpacks a text, on another thread. Fails with a clause where the form is not known here, the text is damaged, or it is too large. */
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
