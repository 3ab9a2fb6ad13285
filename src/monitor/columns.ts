/** How many slots share a page: few enough that one target takes little, enough that a hundred thousand are few pages. */
export const rowsPerPage = 512

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
