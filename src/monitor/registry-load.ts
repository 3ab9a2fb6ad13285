/**
 * Whether this process has read the registry. Until then registered services may be missing, so a name or a list that is not there says
 * nothing about the registry.
 */
export type RegistryLoad = {
  /** Returns why the registry was not read yet, as a clause; null once it was read. */
  pending(): string | null
  /** Notes that the registry was read. It stays read for as long as the process runs, also when its store fails later. */
  finish(): void
}

/** Creates the state of a registry that is to be read; `why` returns what it waits for now, as a clause. */
export function createRegistryLoad(why: () => string): RegistryLoad {
  let isRead = false
  return {
    pending: () => (isRead ? null : why()),
    finish() {
      isRead = true
    },
  }
}

/** A registry that has nothing to be read from, such as one of the configuration file alone. */
export const nothingToLoad: RegistryLoad = { pending: () => null, finish: () => undefined }
