/** A client that asks all the time. */
import assert from 'node:assert/strict'

/** Sends one request after the other until it is stopped. Returns the status codes that it saw, in order. Equal codes in a row count once. */
export function askAllTheTime(url: string) {
  const seen: number[] = []
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const response = await fetch(url)
      const body = await response.text()
      if (seen.at(-1) !== response.status) seen.push(response.status)
      assert.ok(seen.length <= 20, `${seen}: ${body}`)
    }
  })()
  return {
    async stop(): Promise<number[]> {
      isOver = true
      await asking
      return seen
    },
  }
}
