/**
 * Whether this process has read the registry. Until then registered services may be missing, so a name or a list that is missing proves
 * nothing.
 */
export type RegistryLoad = {
  /** Returns why the registry was not read yet, as a clause; null once it was read. */
  pending(): string | null
  /** Returns why the registration of a name cannot be read, as a clause; null if it can be read, or if there is none. */
  whyUnreadable(name: string): string | null
  /** Marks the registry as read until the process ends. A store that fails later does not change that. */
  finish(): void
}

/**
 * Creates the state of a registry that has not been read. `why` returns the reason for the wait, and `whyUnreadable` the reason why a
 * registration cannot be read, each as a clause.
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

/** The state of a registry that reads from no store, such as one of the configuration file alone. */
export const nothingToLoad: RegistryLoad = {
  pending: () => null,
  whyUnreadable: () => null,
  finish: () => undefined,
}
