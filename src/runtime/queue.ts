/** A queue: the first item that was pushed is the first to come out. */
export type Queue<Item> = {
  readonly length: number
  push(item: Item): void
  /** Returns the first item; undefined if the queue is empty. */
  peek(): Item | undefined
  /** Removes the first item and returns it; undefined if the queue is empty. */
  shift(): Item | undefined
}

/** The number of removed items that stay in the array, because to cut it off moves all the other items. */
const mostGone = 1024

/** Creates an empty queue. `push` and `shift` take constant time on average. */
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
