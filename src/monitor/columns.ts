/** How many slots share a page: few enough that a page, which one target needs as well, is some megabyte, enough that a hundred thousand are few pages. */
export const rowsPerPage = 2048

/** Columns by slot, in pages that are made when one of their slots is first written. */
export type Columns<Page> = {
  /** The page of a slot, made if need be. */
  pageOf(slot: number): Page
}

/** Where in its page a slot is. */
export function rowOf(slot: number): number {
  return slot % rowsPerPage
}

export function createColumns<Page>(createPage: () => Page): Columns<Page> {
  const pages: Page[] = []
  return {
    pageOf(slot) {
      const at = Math.floor(slot / rowsPerPage)
      while (pages.length <= at) pages.push(createPage())
      return pages[at] as Page
    },
  }
}

export function numberColumn(): Float64Array<ArrayBuffer> {
  return new Float64Array(rowsPerPage)
}

/** Of numbers of which seven digits are enough. */
export function shortNumberColumn(): Float32Array<ArrayBuffer> {
  return new Float32Array(rowsPerPage)
}

/** Of instants, or of other numbers that may be null: NaN stands for that. */
export function nullableColumn(): Float64Array<ArrayBuffer> {
  return numberColumn().fill(Number.NaN)
}

/** Up to four billion: fourteen years of checks, ten a second. */
export function countColumn(): Uint32Array<ArrayBuffer> {
  return new Uint32Array(rowsPerPage)
}

/** Of places in a list of words, or of other numbers up to 255. */
export function wordColumn(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(rowsPerPage)
}

/** Of what most rows do not have. */
export function sparseColumn<Value>(): (Value | undefined)[] {
  return []
}

/** Writes into a sparse column, and leaves it as short as it can be. */
export function put<Value>(column: (Value | undefined)[], row: number, value: Value | undefined): void {
  if (value !== undefined || column[row] !== undefined) column[row] = value
}

/** What a nullable column has. */
export function numberAt(column: Float64Array, row: number): number | null {
  const number = column[row] as number
  return Number.isNaN(number) ? null : number
}

/** The word whose place in a list a column has. Null is 0, and the first word of the list 1. */
export function wordAt<Word>(list: readonly Word[], column: Uint8Array, row: number): Word | null {
  return wordOf(list, column[row] as number)
}

export function wordOf<Word>(list: readonly Word[], place: number): Word | null {
  // A list is never asked for what is at -1: that would be looked for as a property, which takes a hundred times as long.
  return place === 0 ? null : (list[place - 1] ?? null)
}

/** What `wordOf` finds a word by. */
export function placeOf<Word>(list: readonly Word[], word: Word | null | undefined): number {
  return word == null ? 0 : list.indexOf(word) + 1
}
