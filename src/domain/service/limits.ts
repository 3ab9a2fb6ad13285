import { z } from 'zod'
import { Count } from '../values/count.ts'
import { quote } from '../values/quote.ts'

/** The limits on registrations over HTTP. Services of the file are not limited, but they count toward `services`. */
export const Limits = z.strictObject(
  {
    /** Services, including those of the file. */
    services: Count(1, 1_000_000, 'services').default(10_000),
    /** Targets of one service, and addresses that its names resolve to. */
    targets: Count(1, 10_000, 'targets').default(100),
    /** Groups of one service. */
    groups: Count(0, 1000, 'groups').default(20),
    /** Characters in the name of a service or a group. */
    nameLength: Count(1, 200, 'characters').default(200),
    /** Characters in a target as written. */
    targetLength: Count(3, 270, 'characters').default(260),
    /** Bytes in the body of a request. */
    bodyBytes: Count(1024, 16_777_216, 'bytes').default(65_536),
  },
  { error: (issue) => `${quote(issue.input)} is not a set of limits: write { services: 10000 }` },
)
export type Limits = Readonly<z.infer<typeof Limits>>

/** The limits that apply when the file sets none. */
export const defaultLimits: Limits = Limits.parse({})
