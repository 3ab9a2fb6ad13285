import { z } from 'zod'
import { Count } from './count.ts'
import { quote } from './quote.ts'

/** How much may be registered over HTTP. The file's services are its operator's own affair, but they count. */
export const Limits = z.strictObject(
  {
    /** Services, the file's among them. */
    services: Count(1, 1_000_000, 'services').default(10_000),
    /** Targets of one service, and addresses that they stand for. */
    targets: Count(1, 10_000, 'targets').default(100),
    /** Groups that one service may be in. */
    groups: Count(0, 1000, 'groups').default(20),
    /** Characters in the name of a service or a group. */
    nameLength: Count(1, 200, 'characters').default(200),
    /** Characters in a target as it is written. */
    targetLength: Count(3, 270, 'characters').default(260),
    /** Bytes in the body of a request. */
    bodyBytes: Count(1024, 16_777_216, 'bytes').default(65_536),
  },
  { error: (issue) => `${quote(issue.input)} is not a set of limits: write { services: 10000 }` },
)
export type Limits = Readonly<z.infer<typeof Limits>>

/** What applies where the file says nothing. */
export const defaultLimits: Limits = Limits.parse({})
