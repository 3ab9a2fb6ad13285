/** Something with a time, kept in a heap. The time must not change while it is there. */
export type Timed = {
  /** What heaps order by: an instant in milliseconds. */
  dueAt: number
  /** Where in its heap it is, -1 when in none. The heap's own note, which lets it be taken out from the middle. */
  heapIndex: number
}

/** A binary min-heap: what is due first comes first; adding and taking out in logarithmic time. */
export type Heap<Item extends Timed> = {
  readonly size: number
  /** What is due first. */
  peek(): Item | undefined
  push(item: Item): void
  /** Takes an item out; nothing happens when it is not in. */
  remove(item: Item): void
}

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
      // The last may belong further up: it comes from another branch.
      if (at > 0 && last.dueAt < (items[(at - 1) >> 1] as Item).dueAt) up(last, at)
      else down(last, at)
    },
  }
}
