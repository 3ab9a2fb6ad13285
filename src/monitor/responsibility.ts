import { createSignal, type Signal } from './signal.ts'

/** Which services this process checks of its own accord, and tells changes of. Where replicas share the work, each does so for some. */
export type Responsibility = {
  covers(service: string): boolean
  /** Services that it covers from now on. That it does no longer is told to nobody: who is about to do something asks. */
  readonly gained: Signal<readonly string[]>
}

/** That of a process which is alone. */
export function coverAll(): Responsibility {
  return { covers: () => true, gained: createSignal() }
}
