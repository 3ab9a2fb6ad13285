/**
 * UTF-8 text that grows at its end. A record with plain functions instead of closures, because V8 can inline plain functions. Each
 * operation takes some nanoseconds, and a call that is not inlined takes as long.
 */
export type Bytes = { buffer: Buffer<ArrayBuffer>; view: DataView; length: number }

/** Creates an empty text with memory for `room` bytes. */
export function createBytes(room: number): Bytes {
  return { ...viewed(Buffer.allocUnsafeSlow(room)), length: 0 }
}

/** Creates a text from a string. */
export function bytesOf(text: string): Bytes {
  const buffer = Buffer.from(text)
  return { ...viewed(buffer), length: buffer.length }
}

/**
 * Frees the memory of a text that `createBytes` made. The caller must not use the text again. Without this call V8 frees the memory much
 * later, after a full garbage collection.
 */
export function release({ buffer }: Bytes): void {
  buffer.buffer.transfer(0)
}

/** Whether `more` bytes fit without a reallocation. */
export function hasRoom({ buffer, length }: Bytes, more: number): boolean {
  return length + more <= buffer.length
}

/** Appends `count` bytes of another text, from the position `begin`. */
export function append(bytes: Bytes, from: Bytes, begin = 0, count = from.length): void {
  if (!hasRoom(bytes, count)) grow(bytes, count)
  const { view, length } = bytes
  let done = 0
  // Copies 8 bytes at a time, because that is faster than 4 at a time, and for short texts faster than a call of `Buffer.copy`.
  for (; done + 8 <= count; done += 8) view.setBigInt64(length + done, from.view.getBigInt64(begin + done))
  for (; done + 4 <= count; done += 4) view.setInt32(length + done, from.view.getInt32(begin + done))
  for (; done < count; done++) view.setInt8(length + done, from.view.getInt8(begin + done))
  bytes.length = length + count
}

/** Appends a string. The loop is fast for short strings, and falls back to `Buffer.write` at the first character that is not ASCII. */
export function write(bytes: Bytes, text: string): void {
  const most = 3 * text.length
  if (!hasRoom(bytes, most)) grow(bytes, most)
  const { view, length } = bytes
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) {
      bytes.length = length + bytes.buffer.write(text, length)
      return
    }
    view.setInt8(length + at, code)
  }
  bytes.length = length + text.length
}

const powersOfTen = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9] as const
/** Whole numbers below this have at most 15 digits. JavaScript writes every decimal of 15 digits exactly (ECMA-262, Number::toString). */
const exactBelow = 1e15
const digitZero = 48

/**
 * Appends a whole number divided by 10 to the power of `decimals` (at most 9), as JavaScript writes the quotient. Makes no string of
 * the quotient, because V8 caches the strings of numbers where only a full garbage collection finds them.
 */
export function writeDecimal(bytes: Bytes, number: number, decimals: number): void {
  const unit = powersOfTen[decimals] as number
  // JavaScript writes numbers below a millionth with an exponent.
  if (number !== 0 && !(number * 1e6 >= unit && number < exactBelow)) {
    write(bytes, `${number / unit}`)
    return
  }
  const whole = Math.floor(number / unit)
  // Many numbers share the same whole part, so V8 creates few strings here.
  write(bytes, `${whole}`)
  let rest = (number - whole * unit) | 0
  if (rest === 0) return
  if (!hasRoom(bytes, decimals + 1)) grow(bytes, decimals + 1)
  const { view, length } = bytes
  let digits = decimals
  for (; rest % 10 === 0; digits--) rest = (rest / 10) | 0
  view.setInt8(length, 0x2e)
  for (let at = digits; at > 0; at--) {
    view.setInt8(length + at, digitZero + (rest % 10))
    rest = (rest / 10) | 0
  }
  bytes.length = length + 1 + digits
}

/** Moves a text to memory of twice its length plus `more` bytes. */
function grow(bytes: Bytes, more: number): void {
  const { buffer, length } = bytes
  // `allocUnsafeSlow` allocates outside of Node.js' shared pool. Memory of the pool cannot be freed.
  const larger = Buffer.allocUnsafeSlow(2 * length + more)
  buffer.copy(larger, 0, 0, length)
  Object.assign(bytes, viewed(larger))
}

function viewed(buffer: Buffer<ArrayBuffer>) {
  return { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length) }
}
