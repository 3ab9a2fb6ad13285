/**
 * Text in UTF-8 that grows at its end. A record and functions, and no closure to each: what they do takes some nanoseconds, and so
 * does a call that is not compiled into its caller.
 */
export type Bytes = { buffer: Buffer<ArrayBuffer>; view: DataView; length: number }

/** None yet, and memory for so many. */
export function createBytes(room: number): Bytes {
  return { ...viewed(Buffer.allocUnsafeSlow(room)), length: 0 }
}

export function bytesOf(text: string): Bytes {
  const buffer = Buffer.from(text)
  return { ...viewed(buffer), length: buffer.length }
}

/** Gives the memory of bytes that `createBytes` made back at once: V8 would do so much later, and collect everything for it. They are not used again. */
export function release({ buffer }: Bytes): void {
  buffer.buffer.transfer(0)
}

/** Whether so many more fit in without other memory. */
export function hasRoom({ buffer, length }: Bytes, more: number): boolean {
  return length + more <= buffer.length
}

/** Appends some of other bytes. */
export function append(bytes: Bytes, from: Bytes, begin = 0, count = from.length): void {
  if (!hasRoom(bytes, count)) grow(bytes, count)
  const { view, length } = bytes
  let done = 0
  // Of so few, eight at a time take less than four, and than a call into the runtime.
  for (; done + 8 <= count; done += 8) view.setBigInt64(length + done, from.view.getBigInt64(begin + done))
  for (; done + 4 <= count; done += 4) view.setInt32(length + done, from.view.getInt32(begin + done))
  for (; done < count; done++) view.setInt8(length + done, from.view.getInt8(begin + done))
  bytes.length = length + count
}

/** Appends text that is short, and nearly always ASCII. */
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
/** Whole numbers below this have no more than 15 digits: every decimal of so many is written as it is by JavaScript (ECMA-262, Number::toString). */
const exactBelow = 1e15
const digitZero = 48

/**
 * Appends a whole number divided by ten to the power of `decimals`, 9 at most, as JavaScript writes the quotient. No string is made of
 * it: V8 keeps those of numbers among what only a collection of everything finds.
 */
export function writeDecimal(bytes: Bytes, number: number, decimals: number): void {
  const unit = powersOfTen[decimals] as number
  // Below a millionth there is an exponent.
  if (number !== 0 && !(number * 1e6 >= unit && number < exactBelow)) {
    write(bytes, `${number / unit}`)
    return
  }
  const whole = Math.floor(number / unit)
  // One of few: many numbers have it in common.
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

/** Moves them to where there is room for twice as many, and more. */
function grow(bytes: Bytes, more: number): void {
  const { buffer, length } = bytes
  // Of their own: what Node.js shares out among small ones cannot be given back.
  const larger = Buffer.allocUnsafeSlow(2 * length + more)
  buffer.copy(larger, 0, 0, length)
  Object.assign(bytes, viewed(larger))
}

function viewed(buffer: Buffer<ArrayBuffer>) {
  return { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length) }
}
