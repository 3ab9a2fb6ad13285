/** The number of slots in a chunk. A chunk takes about a megabyte, which a single target needs as well, and 100,000 targets need 49 chunks. */
export const rowsPerChunk = 2048

/** Columns by slot, in chunks. A chunk is created when one of its slots is first used. */
export type Columns<Chunk> = {
  /** Returns the chunk of a slot, and creates it if needed. */
  chunkOf(slot: number): Chunk
}

/** Returns the row of a slot in its chunk. */
export function rowOf(slot: number): number {
  return slot % rowsPerChunk
}

export function createColumns<Chunk>(createChunk: () => Chunk): Columns<Chunk> {
  const chunks: Chunk[] = []
  return {
    chunkOf(slot) {
      const at = Math.floor(slot / rowsPerChunk)
      while (chunks.length <= at) chunks.push(createChunk())
      return chunks[at] as Chunk
    },
  }
}

export function numberColumn(): Float64Array<ArrayBuffer> {
  return new Float64Array(rowsPerChunk)
}

/** Creates a column of numbers for which seven significant digits are enough. */
export function shortNumberColumn(): Float32Array<ArrayBuffer> {
  return new Float32Array(rowsPerChunk)
}

/** Creates a column of instants, or of other numbers that may be null. NaN stands for null. */
export function nullableColumn(): Float64Array<ArrayBuffer> {
  return numberColumn().fill(Number.NaN)
}

/** Creates a column of counts up to 4 billion. That is enough for 13 years of 10 checks a second. */
export function countColumn(): Uint32Array<ArrayBuffer> {
  return new Uint32Array(rowsPerChunk)
}

/** Creates an enum column: positions in a list of words, or other numbers up to 255. */
export function enumColumn(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(rowsPerChunk)
}

/** Creates a column for values that most rows do not have. */
export function sparseColumn<Value>(): (Value | undefined)[] {
  return []
}

/** Writes into a sparse column. An absent value is written only over a present one, so that the column stays as short as possible. */
export function put<Value>(column: (Value | undefined)[], row: number, value: Value | undefined): void {
  if (value !== undefined || column[row] !== undefined) column[row] = value
}

/** Returns the number in a row of a nullable column; null for NaN. */
export function numberAt(column: Float64Array, row: number): number | null {
  const number = column[row] as number
  return Number.isNaN(number) ? null : number
}

/** Returns the word in a row of an enum column. The number 0 stands for null, and 1 for the first word of the list. */
export function enumAt<EnumWord>(list: readonly EnumWord[], column: Uint8Array, row: number): EnumWord | null {
  return enumOf(list, column[row] as number)
}

/** Returns the word that a number of an enum column stands for; null for 0. */
export function enumOf<EnumWord>(list: readonly EnumWord[], place: number): EnumWord | null {
  // Never read a list at index -1. JavaScript would look that up as a property, which takes 100 times as long.
  return place === 0 ? null : (list[place - 1] ?? null)
}

/** Returns the number that stands for a word in an enum column; 0 for null, and for a word that is not in the list. */
export function placeOf<EnumWord>(list: readonly EnumWord[], word: EnumWord | null | undefined): number {
  return word == null ? 0 : list.indexOf(word) + 1
}
