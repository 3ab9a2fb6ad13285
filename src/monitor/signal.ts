/** Something that happens and can be listened to. Listeners run in order of subscription, at once; nobody waits for what they start. */
export type Signal<Event> = {
  emit(event: Event): void
  /** Returns the way to stop listening. */
  subscribe(listener: (event: Event) => void): () => void
}

export function createSignal<Event>(): Signal<Event> {
  const listeners = new Set<(event: Event) => void>()
  return {
    emit: (event) => {
      for (const listener of listeners) listener(event)
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
