import { z } from 'zod'

/** How many different values a request may give for one parameter. */
export const mostValues = 100

/**
 * Returns the schema of a parameter that may be given several times, such as `name=a&name=b`. The result is a set of at most 100 values.
 * A repeated value counts once. Errors name the parameter `name`.
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

/** Returns the same schema for a parameter whose values are text. */
export const oneOrMany = (name: string) => manyOf(name, z.string())

/** Returns the first distinct values, at most one more than allowed, so that an error never lists more. */
function firstDistinct(values: readonly unknown[]): unknown[] {
  return [...new Set(values)].slice(0, mostValues + 1)
}
