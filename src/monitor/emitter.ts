/** An event emitter. Listeners run synchronously in order of subscription. The emitter does not wait for work that they start. */
export type Emitter<Event> = {
  emit(event: Event): void
  /** Adds a listener. Returns a function that removes it. */
  subscribe(listener: (event: Event) => void): () => void
}

export function createEmitter<Event>(): Emitter<Event> {
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
