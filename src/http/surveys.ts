import type { Clock } from '../clock.ts'
import type { WatchedService } from '../monitor/watch.ts'
import type { TimeSlice, TimeSlices } from '../time-slices.ts'
import { type SetSurvey, surveySet } from './set-reports.ts'

/** What was found of so many services is told again to whoever asks within so long, in milliseconds: to look at so many takes milliseconds. */
const manyServices = 10_000
const keptMs = 1000
/** Of so many sets at most: of a hundred thousand services that are down each holds some megabytes. */
const mostKept = 4

/** Looks at a set, or tells what it found within the last second where that is much to look at. `name` is the same for who asks for the same. */
export type Survey = (
  services: readonly WatchedService[],
  options: {
    name: string
    verbose: boolean
    /** They were checked just now for who asks. */
    isFresh: boolean
    /** The loop of the request that asks. */
    slice: TimeSlice
  },
) => Promise<SetSurvey>

/** So whoever asks, and however often, nobody else waits for more than one such look a second. */
export function createSurveys({
  slices,
  ...about
}: {
  clock: Clock
  isThere: (watched: WatchedService) => boolean
  slices: TimeSlices
}): Survey {
  const kept = new Map<string, Promise<SetSurvey>>()
  return (services, { name, verbose, isFresh, slice }) => {
    const last = isFresh ? undefined : kept.get(name)
    if (last !== undefined) return last
    if (services.length < manyServices || kept.size >= mostKept || kept.has(name))
      return surveySet(services, { ...about, verbose, slice })
    // Others wait for it too, so it goes on when the client that asked first is gone.
    const survey = surveySet(services, {
      ...about,
      verbose,
      slice: slices.begin(),
      mayHaveGone: slice.hasYielded,
    })
    kept.set(name, survey)
    setTimeout(() => kept.delete(name), keptMs).unref()
    return survey
  }
}
