import { createEmitter, type Emitter } from './emitter.ts'

/** Ownership: which services this process checks on its schedule and emits transitions for. Replicas divide the services among themselves. */
export type Ownership = {
  owns(service: string): boolean
  /** Emits services that this process owns from now on. Losing a service emits nothing, because code asks before it acts. */
  readonly gained: Emitter<readonly string[]>
}

/** Returns the ownership of a process without other replicas, which owns all services. */
export function ownAll(): Ownership {
  return { owns: () => true, gained: createEmitter() }
}
