/** An item of a heap. Its order relative to the other items must not change while it is in the heap. */
export type Timed = {
  /** The instant by which heaps are ordered, in milliseconds. */
  dueAt: number
  /** The index in the heap; -1 if the item is in none. The heap writes it, so that it can remove an item from the middle. */
  heapIndex: number
}

/** A binary min-heap: the item that is due first comes first. Adding and removing an item takes logarithmic time. */
export type Heap<Item extends Timed> = {
  readonly size: number
  /** Returns the item that is due first; undefined if the heap is empty. */
  peek(): Item | undefined
  push(item: Item): void
  /** Removes an item; does nothing if the item is not in the heap. */
  remove(item: Item): void
}

/** Creates an empty heap. */
export function createHeap<Item extends Timed>(): Heap<Item> {
  const items: Item[] = []

  function place(item: Item, index: number): void {
    items[index] = item
    item.heapIndex = index
  }

  function up(item: Item, from: number): void {
    let at = from
    while (at > 0) {
      const parent = items[(at - 1) >> 1] as Item
      if (parent.dueAt <= item.dueAt) break
      place(parent, at)
      at = (at - 1) >> 1
    }
    place(item, at)
  }

  function down(item: Item, from: number): void {
    let at = from
    for (;;) {
      let child = items[2 * at + 1]
      const right = items[2 * at + 2]
      if (child !== undefined && right !== undefined && right.dueAt < child.dueAt) child = right
      if (child === undefined || child.dueAt >= item.dueAt) break
      const next = child.heapIndex
      place(child, at)
      at = next
    }
    place(item, at)
  }

  return {
    get size() {
      return items.length
    },
    peek: () => items[0],
    push(item) {
      items.push(item)
      up(item, items.length - 1)
    },
    remove(item) {
      const at = item.heapIndex
      if (at < 0) return
      item.heapIndex = -1
      const last = items.pop() as Item
      if (last === item) return
      // The last item may belong further up, because it comes from another branch.
      if (at > 0 && last.dueAt < (items[(at - 1) >> 1] as Item).dueAt) up(last, at)
      else down(last, at)
    },
  }
}
