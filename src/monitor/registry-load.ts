/**
 * Whether this process has read the registry. Until then registered services may be missing, so a name or a list that is not there says
 * nothing about the registry.
 */
export type RegistryLoad = {
  /** Returns why the registry was not read yet, as a clause; null once it was read. */
  pending(): string | null
  /** Returns why the registration of a name cannot be read, as a clause; null where it can, or there is none. */
  whyUnreadable(name: string): string | null
  /** Notes that the registry was read. It stays read for as long as the process runs, also when its store fails later. */
  finish(): void
}

/**
 * Creates the state of a registry that is to be read; `why` returns what it waits for now, as a clause, and `whyUnreadable` why a
 * registration cannot be read.
 */
export function createRegistryLoad(
  why: () => string,
  whyUnreadable: RegistryLoad['whyUnreadable'] = () => null,
): RegistryLoad {
  let isRead = false
  return {
    pending: () => (isRead ? null : why()),
    whyUnreadable,
    finish() {
      isRead = true
    },
  }
}

/** A registry that has nothing to be read from, such as one of the configuration file alone. */
export const nothingToLoad: RegistryLoad = {
  pending: () => null,
  whyUnreadable: () => null,
  finish: () => undefined,
}
