/** Tests how the pages look in every form: light, dark, narrow, printed and without JavaScript. The day shown is the same every time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileScope, until } from '../support/process.ts'
import { audit, noChromium, shareBrowser } from './browser.ts'
import { stage } from './scene.ts'

const skip = { skip: noChromium }
const openBrowser = shareBrowser(fileScope())

test('axe-core finds no fault in any page, light, dark or narrow', skip, async (t) => {
  const [ill, well] = [await stage(t), await stage(t, { allWell: true })]
  const open = await openBrowser(t)
  const [troubled, calm] = [await ill.listen(), await well.listen()]
  const pages = [
    troubled,
    `${troubled}/?status=down&group=payments&q=acquirer`,
    `${troubled}/?q=nothing-is-called-this`,
    `${troubled}/services/card-acquirer`,
    `${troubled}/services/elasticsearch`,
    `${troubled}/services/smtp-relay`,
    `${troubled}/services/report-archive`,
    calm,
    `${calm}/services/kafka`,
  ]
  const forms = [{}, { colorScheme: 'dark' as const }, { width: 390 }]
  for (const [index, url] of pages.entries()) {
    // Most pages are tested in one form, and the two richest pages in all three.
    const wanted = [troubled, `${troubled}/services/elasticsearch`].includes(url) ? forms : [forms[index % 3]]
    for (const form of wanted) {
      const { page, complaints } = await open(url, form)
      await page.locator('#live[data-live="yes"]').waitFor()
      if (url.includes('/services/')) await page.locator('#plot[data-drawn]').waitFor({ state: 'attached' })
      assert.deepEqual(await audit(page), [], `${url} ${JSON.stringify(form)}`)
      assert.deepEqual(complaints, [])
      await page.context().close()
    }
  }
})

test('no page is wider than the screen, even at 320 pixels', skip, async (t) => {
  const { listen } = await stage(t)
  const open = await openBrowser(t)
  const url = await listen()
  for (const path of ['/', '/services/elasticsearch', '/services/report-archive']) {
    for (const width of [320, 390, 700, 1000]) {
      const { page } = await open(`${url}${path}`, { width })
      await page.locator('#live[data-live="yes"]').waitFor()
      const excess = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
      assert.equal(excess, 0, `${path} at ${width} pixels`)
      await page.context().close()
    }
  }
})

test('without JavaScript the page is complete, can be searched and filtered, and shows its time', skip, async (t) => {
  const { listen } = await stage(t)
  const open = await openBrowser(t)
  const { page, complaints } = await open(await listen(), { javaScript: false })
  assert.equal(
    await page.locator('.headline h1').textContent(),
    '2 of 14 services down, 1 unknown, 1 degraded, 1 draining',
  )
  assert.equal(await page.locator('.as-of').textContent(), 'As of 2026-11-25 03:07:12 UTC')
  assert.equal(await page.locator('.service').count(), 14)
  const shows = (...names: string[]) =>
    until(`it shows ${names}`, async () => {
      return (await page.locator('.service .name a').allTextContents()).join() === names.join()
    })
  await page.getByRole('searchbox').fill('KAFKA')
  await page.getByRole('button', { name: 'Show' }).click()
  await shows('kafka')
  await page.getByRole('link', { name: 'kafka' }).click()
  await page.waitForURL(/\/services\/kafka$/)
  assert.equal(await page.locator('tbody tr[data-key]').count(), 3)
  await page.getByRole('link', { name: 'All services' }).click()
  await page.getByRole('link', { name: /payments/ }).click()
  await page.waitForURL(/group=payments/)
  await page.getByRole('checkbox', { name: /down/ }).check()
  await page.getByRole('button', { name: 'Show' }).click()
  await shows('card-acquirer')
  assert.deepEqual(complaints, [])
})

test('a printed page shows its time, and has no controls', skip, async (t) => {
  const { listen } = await stage(t)
  const open = await openBrowser(t)
  const { page } = await open(await listen())
  await page.locator('#live[data-live="yes"]').waitFor()
  await page.emulateMedia({ media: 'print' })
  assert.equal(await page.locator('.as-of').isVisible(), true)
  for (const control of ['#live', '#filters', 'footer nav'])
    assert.equal(await page.locator(control).isVisible(), false)
  assert.equal((await page.pdf()).subarray(0, 5).toString(), '%PDF-')
})

test(
  'for screen readers there are landmarks, a heading for each section, and a label for every chart',
  skip,
  async (t) => {
    const { listen } = await stage(t)
    const open = await openBrowser(t)
    const url = await listen()
    const { page } = await open(url)
    await page.locator('#live[data-live="yes"]').waitFor()
    for (const role of ['banner', 'main', 'search', 'contentinfo', 'status'] as const)
      assert.equal(await page.getByRole(role).count(), 1, role)
    assert.deepEqual(await page.getByRole('heading').allTextContents(), [
      '2 of 14 services down, 1 unknown, 1 degraded, 1 draining',
      'Groups',
      'Services 14',
    ])
    const told = (name: string) =>
      page
        .locator(`[data-key="${name}"] svg[role=img]`)
        .evaluateAll((charts) => charts.map((chart) => chart.getAttribute('aria-label')))
    assert.deepEqual(await told('card-acquirer'), [
      'last 60 checks: 60 failed',
      'last 24 hours: uptime 99.18%, down in 2 of 48 half hours',
    ])
    const [sftp = ''] = await told('partner-sftp')
    assert.match(sftp ?? '', /^last 60 checks: median latency \d+\.\d ms, at most 1\.0 s, \d needed a second SYN$/)
  },
)
