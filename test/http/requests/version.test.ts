import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { build, listen } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'
import { say } from '../say.ts'

/** Builds Porthole with a service that is up, so that the fast path answers for it. */
async function start(t: TestContext): Promise<string> {
  const { target } = await listen(t)
  const built = await build(t, [sampleService('pg', [target])])
  await built.sweep()
  return built.listen()
}

test('a request line without a version, or with HTTP/0.9 or HTTP/2.0, is 400 on every path', async (t) => {
  const url = await start(t)
  for (const path of ['/health/pg', '/health/pg?x', '/livez', '/v1/services', '/', '/nowhere'])
    for (const version of ['', ' HTTP/0.9', ' HTTP/2.0'])
      for (const method of ['GET', 'PUT'])
        assert.deepEqual(
          await say(url, `${method} ${path}${version}\r\nHost: porthole\r\n\r\n`),
          { status: 400, detail: `Porthole speaks HTTP/1.1 and HTTP/1.0: begin with ${method} PATH HTTP/1.1.` },
          `${method} ${path}${version}`,
        )
})
