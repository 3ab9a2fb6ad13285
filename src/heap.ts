/** A binary min-heap: the smallest item first, adding and taking in logarithmic time. */
export type Heap<Item> = {
  readonly size: number
  peek(): Item | undefined
  push(item: Item): void
  pop(): Item | undefined
}

/** `rank` gives the number that items are ordered by; it must not change while an item is in the heap. */
export function createHeap<Item>(rank: (item: Item) => number): Heap<Item> {
  const items: Item[] = []
  const rankAt = (index: number) => {
    const item = items[index]
    return item === undefined ? Number.POSITIVE_INFINITY : rank(item)
  }
  const swap = (a: number, b: number) => {
    ;[items[a], items[b]] = [items[b] as Item, items[a] as Item]
  }

  function up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      if (rankAt(parent) <= rankAt(at)) return
      swap(at, parent)
      at = parent
    }
  }

  function down(): void {
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      const child = rankAt(left + 1) < rankAt(left) ? left + 1 : left
      if (rankAt(child) >= rankAt(at)) return
      swap(at, child)
      at = child
    }
  }

  return {
    get size() {
      return items.length
    },
    peek: () => items[0],
    push(item) {
      items.push(item)
      up(items.length - 1)
    },
    pop() {
      const first = items[0]
      const last = items.pop()
      if (items.length > 0 && last !== undefined) {
        items[0] = last
        down()
      }
      return first
    },
  }
}
