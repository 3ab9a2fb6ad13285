import { z } from 'zod'

/** How many different values a request may give for one parameter. */
export const mostValues = 100

/**
 * Reads a parameter that may be given several times, such as `name=a&name=b`, as a set of at most `mostValues` values. A value that is
 * repeated counts once. `name` is how the error calls the parameter.
 */
export const manyOf = <Item extends z.ZodType>(name: string, item: Item) =>
  z
    .preprocess(
      (value) => (value === undefined ? value : firstDistinct([value].flat())),
      z
        .array(item)
        .max(mostValues, `${name} has more than ${mostValues} different values: write ${mostValues} at most`),
    )
    .transform((values): ReadonlySet<z.output<Item>> => new Set(values))

/** The same for a parameter whose values are text. */
export const oneOrMany = (name: string) => manyOf(name, z.string())

/** Returns the distinct values, and no more of them than show that there are too many: an error is never longer than that. */
function firstDistinct(values: readonly unknown[]): unknown[] {
  return [...new Set(values)].slice(0, mostValues + 1)
}
