/**
 * A store in a process of its own, to be killed, confined or in the way. Start it with a directory. It first writes the result of opening the
 * store. Then each input line `[method, …arguments]` is an operation, which starts at once. Each answer is a line: `[number of the request,
 * answer]`. The process ends when its stdin ends.
 */
import { createInterface } from 'node:readline'
import { openSqliteStore } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'

const [, , directory = ''] = process.argv
const opened = await openSqliteStore({ directory, retention: { maxCount: 1000, maxAgeMs: 3_600_000 } })
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
say([0, opened.ok ? { ok: true, value: null } : opened])

// Above RLIMIT_FSIZE the kernel sends this signal and fails the write. Without a handler the signal kills the process.
process.on('SIGXFSZ', () => undefined)

let number = 0
for await (const line of createInterface(process.stdin)) {
  if (!opened.ok) break
  const request = ++number
  const [method, ...input] = JSON.parse(line) as [Exclude<keyof Store, 'name'>, ...unknown[]]
  const ask = opened.value[method] as (...input: unknown[]) => Promise<unknown>
  void ask(...input).then((answer) => say([request, answer]))
}
if (opened.ok) await opened.value.close()
process.exit()
