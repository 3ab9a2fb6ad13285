/** The API reference in a real browser, behind a proxy that removes a prefix of the path. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenForChecks } from '../replicas/fleet/fleet.ts'
import { noChromium, startBrowser } from './browser.ts'
import { serve, startProxy } from './served.ts'

test('behind a proxy under a path the link to the API reference works, and so do requests that are tried out there', {
  skip: noChromium,
}, async (t) => {
  const [one] = await listenForChecks(t, 1)
  const { url } = await serve(t, { postgres: { targets: [`127.0.0.1:${one?.port}`] } })
  const open = await startBrowser(t)
  for (const headers of [{}, { 'x-forwarded-prefix': '/status/porthole' }]) {
    const proxied = await startProxy(t, { '/status/porthole': url }, { headers })
    const { page, complaints } = await open(`${proxied}/status/porthole/`)
    await page.getByRole('link', { name: 'API' }).click()
    await page.locator('.opblock').first().waitFor()
    await page.locator('.topbar img').waitFor()
    assert.ok(
      Number(await page.evaluate("document.querySelector('.topbar img').naturalWidth")) > 0,
      'the logo is drawn',
    )
    assert.equal(await page.title(), 'Porthole API')
    assert.equal(page.url(), `${proxied}/status/porthole/docs`)
    const probe = page.locator('.opblock', { hasText: '/livez' }).first()
    await probe.locator('.opblock-summary-control').click()
    await probe.getByRole('button', { name: 'Try it out' }).click()
    const answered = page.waitForResponse(`${proxied}/status/porthole/livez`)
    await probe.getByRole('button', { name: 'Execute' }).click()
    assert.equal((await answered).status(), 200)
    for (const path of ['docs/?x=1', 'docs?x=1', 'docs/static/index.html']) {
      const response = await fetch(`${proxied}/status/porthole/${path}`)
      assert.deepEqual([response.status, response.url], [200, page.url().split('#', 1)[0]])
    }
    // Swagger UI itself violates the policy with inline styles, wherever it is served.
    const others = complaints.filter((complaint) => !complaint.includes('inline style'))
    assert.deepEqual(others, [])
  }
})
