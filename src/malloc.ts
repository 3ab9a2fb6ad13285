/**
 * Gives back to the system what malloc keeps of memory that was freed, such as all that a thread had that is over: some milliseconds
 * (malloc_trim(3)). Does nothing where it cannot: musl has no such call, and keeps less.
 */
export async function giveBackFreed(): Promise<void> {
  try {
    const { default: koffi } = await import('koffi')
    koffi.load(null).func('int malloc_trim(size_t)')(0)
  } catch {
    // Then it stays resident, and is used for what comes next.
  }
}
