/** What waits, the first that came in front. */
export type Queue<Item> = {
  readonly length: number
  push(item: Item): void
  /** The first; undefined when nothing waits. */
  peek(): Item | undefined
  /** Takes the first out; nothing happens when nothing waits. */
  shift(): Item | undefined
}

/** So many that went are left where they were, so that not every one moves all the others. */
const mostGone = 1024

export function createQueue<Item>(): Queue<Item> {
  let items: Item[] = []
  let first = 0
  return {
    get length() {
      return items.length - first
    },
    push: (item) => void items.push(item),
    peek: () => items[first],
    shift() {
      if (first === items.length) return undefined
      const item = items[first++]
      if (first === items.length || (first > mostGone && first * 2 > items.length)) {
        items = items.slice(first)
        first = 0
      }
      return item
    },
  }
}
