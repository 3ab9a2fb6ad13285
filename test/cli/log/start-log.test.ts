import assert from 'node:assert/strict'
import { test } from 'node:test'
import { urlForBrowser } from '../../../src/cli/log/start-log.ts'

test('a listener on all addresses is shown as an address that a browser can open', () => {
  for (const [url, wanted] of [
    ['http://0.0.0.0:8080', 'http://127.0.0.1:8080'],
    ['http://[::]:8080', 'http://[::1]:8080'],
    ['http://10.0.0.5:80', 'http://10.0.0.5:80'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
  ] as const)
    assert.equal(urlForBrowser(url), wanted)
})
