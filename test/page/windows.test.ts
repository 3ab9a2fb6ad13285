/** Many windows of one browser, which opens at most six connections to an origin, with a real Porthole. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { listenForChecks } from '../replicas/fleet/fleet.ts'
import { fileScope, until } from '../support/process.ts'
import { freePort } from '../support/redis-server.ts'
import { noChromium, type OpenTab, shareBrowser, type Tab } from './browser.ts'
import { headline, live, row, serve, startProxy } from './served.ts'

const skip = { skip: noChromium }
const openBrowser = shareBrowser(fileScope())
/** A script that removes shared workers, which for example Chrome on Android does not have. */
const noWorkers = 'delete globalThis.SharedWorker'

type Served = Awaited<ReturnType<typeof serve>>

/** Opens these addresses in one browser, each in a window of its own. */
async function openWindows(open: OpenTab, urls: readonly string[], script = ''): Promise<Tab[]> {
  const tabs: Tab[] = []
  for (const url of urls) {
    const [beside] = tabs
    tabs.push(await open(url, { script, ...(beside === undefined ? {} : { beside }) }))
  }
  return tabs
}

const streams = async ({ metric }: Pick<Served, 'metric'>) => (await metric('porthole_event_streams'))['']
const untilStreams = (served: Pick<Served, 'metric'>, count: number) =>
  until(`${count} streams are open`, async () => (await streams(served)) === count)
const nine = (url: string) => Array.from({ length: 9 }, () => url)
const told = (page: Page, text: string) => page.locator('#news').getByText(text).waitFor()

/** Makes a window appear hidden to its scripts, or visible again. */
const setHidden = (page: Page, isHidden: boolean) =>
  page.evaluate(
    `${isHidden ? "Object.defineProperty(document, 'hidden', { configurable: true, value: true })" : 'delete document.hidden'}
     document.dispatchEvent(new Event('visibilitychange'))`,
  )

test('nine windows share one stream, and all notice that Porthole stops and starts again', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const port = await freePort()
  const services = { postgres: { targets: [`127.0.0.1:${one.port}`] } }
  const before = await serve(t, services, { port })
  const tabs = await openWindows(await openBrowser(t), nine(before.url))
  for (const { page } of tabs) await headline(page).getByText('The one service is up').waitFor()
  for (const { page } of tabs) await live(page)
  assert.equal(await streams(before), 1)

  await one.close()
  for (const { page } of tabs) {
    await headline(page).getByText('1 of 1 service down').waitFor()
    await told(page, 'postgres is down: 0 of 1 targets up')
  }

  for (const tab of tabs) tab.expectLoss()
  before.child.kill('SIGKILL')
  await before.ended
  for (const { page } of tabs) await page.locator('#lost').getByText('The connection is lost').waitFor()
  const after = await serve(t, services, { port })
  for (const { page } of tabs) await live(page)
  await untilStreams(after, 1)
  await one.open()
  for (const { page } of tabs) {
    await headline(page).getByText('The one service is up').waitFor()
    await told(page, 'postgres is up')
  }
  for (const { complaints } of tabs) assert.deepEqual(complaints, [])
})

test('the stream stays open while any window is visible, whichever window opened it', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const served = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  const tabs = await openWindows(await openBrowser(t), [served.url, served.url, served.url])
  const [first, second, third] = tabs.map(({ page }) => page)
  assert(first && second && third)
  for (const { page } of tabs) await live(page)
  await untilStreams(served, 1)

  await first.close()
  await setHidden(second, true)
  await one.close()
  await told(third, 'postgres is down: 0 of 1 targets up')
  assert.equal(await streams(served), 1)
  await setHidden(third, true)
  await untilStreams(served, 0)

  await setHidden(second, false)
  await untilStreams(served, 1)
  await one.open()
  await told(second, 'postgres is up')
  await second.close()
  await untilStreams(served, 0)
  await setHidden(third, false)
  await untilStreams(served, 1)
  await third.goto('about:blank')
  await untilStreams(served, 0)
})

test('a window of one service announces this service alone', skip, async (t) => {
  const [one, other] = await listenForChecks(t, 2)
  assert(one && other)
  const served = await serve(t, {
    postgres: { targets: [`127.0.0.1:${one.port}`] },
    'a&b=c': { targets: [`127.0.0.1:${other.port}`] },
  })
  const { url } = served
  const pages = [url, `${url}/services/postgres`, `${url}/services/${encodeURIComponent('a&b=c')}`]
  const tabs = await openWindows(await openBrowser(t), pages)
  const [all, postgres, odd] = tabs.map(({ page }) => page)
  assert(all && postgres && odd)
  for (const { page } of tabs) await live(page)
  await untilStreams(served, 1)
  await other.close()
  await told(all, 'a&b=c is down')
  await told(odd, 'a&b=c is down')
  await one.close()
  await told(postgres, 'postgres is down')
  assert.doesNotMatch((await odd.locator('#news').textContent()) ?? '', /postgres/)
  for (const { complaints } of tabs) assert.deepEqual(complaints, [])
})

test('windows of two prefixes or of two origins share nothing', skip, async (t) => {
  const [one, other] = await listenForChecks(t, 2)
  assert(one && other)
  const blue = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  const green = await serve(t, { redis: { targets: [`127.0.0.1:${other.port}`] } })
  const proxy = await startProxy(t, { '/blue': blue.url, '/green': green.url })
  const elsewhere = `${blue.url.replace('127.0.0.1', 'localhost')}/`
  const urls = [`${proxy}/blue/`, `${proxy}/blue/services/postgres`, `${proxy}/green/`, `${blue.url}/`, elsewhere]
  const tabs = await openWindows(await openBrowser(t), urls)
  for (const { page } of tabs) await live(page)
  await untilStreams(blue, 3)
  await untilStreams(green, 1)
  await one.close()
  for (const { page } of tabs.filter((_, index) => index !== 2)) await told(page, 'postgres is down')
  await other.close()
  const page = tabs[2]?.page
  assert(page)
  await told(page, 'redis is down: 0 of 1 targets up')
  for (const { complaints } of tabs) assert.deepEqual(complaints, [])
})

test('a browser without shared workers opens no stream, and its windows are still kept up to date', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const served = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  const tabs = await openWindows(await openBrowser(t), nine(served.url), noWorkers)
  for (const { page } of tabs) await live(page)
  await one.close()
  for (const { page } of tabs) {
    await headline(page).getByText('1 of 1 service down').waitFor()
    await told(page, '1 down · Porthole')
  }
  assert.equal(await streams(served), 0)
  for (const { complaints } of tabs) assert.deepEqual(complaints, [])
})

test('behind a proxy that holds the stream back, nine windows are still kept up to date', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const served = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  const proxy = await startProxy(t, { '': served.url }, { holdsStreams: true })
  const tabs = await openWindows(await openBrowser(t), nine(`${proxy}/`))
  for (const { page } of tabs) await live(page)
  await untilStreams(served, 1)
  await one.close()
  for (const { page } of tabs) {
    await headline(page).getByText('1 of 1 service down').waitFor()
    await told(page, '1 down · Porthole')
  }
  for (const { complaints } of tabs) assert.deepEqual(complaints, [])
})

test('a page whose worker cannot be loaded is still kept up to date', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const served = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  const proxy = await startProxy(t, { '': served.url }, { missing: '/stream.js' })
  const open = await openBrowser(t)
  const { page } = await open(`${proxy}/`)
  await live(page)
  await one.close()
  await told(page, '1 down · Porthole')
  assert.equal(await streams(served), 0)
})

test('windows without details open no stream, and windows whose proxy sends a token share one', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const more = { details: 'token', tokens: { proxy: `sha256:${hash('sha256', 'an-example-and-no-secret')}` } }
  const served = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } }, { more })
  const headers = { authorization: 'Bearer an-example-and-no-secret' }
  const proxy = await startProxy(t, { '': served.url }, { headers })
  const open = await openBrowser(t)
  const closed = await openWindows(open, [served.url, served.url])
  for (const { page } of closed) await live(page)
  assert.equal(await streams(served), 0)
  const admitted = await openWindows(open, [`${proxy}/`, `${proxy}/`])
  for (const { page } of admitted) await live(page)
  await untilStreams(served, 1)
  await one.close()
  for (const { page } of [...closed, ...admitted]) await headline(page).getByText('1 of 1 service down').waitFor()
  for (const { page } of closed) await told(page, '1 down · Porthole')
  for (const { page } of admitted) {
    await told(page, 'postgres is down: 0 of 1 targets up')
    await row(page, 'postgres').getByText('nothing listens').waitFor()
  }
  for (const { complaints } of [...closed, ...admitted]) assert.deepEqual(complaints, [])
})

test('a shared worker that dies is replaced', skip, async (t) => {
  const [one] = await listenForChecks(t, 1)
  assert(one)
  const served = await serve(t, { postgres: { targets: [`127.0.0.1:${one.port}`] } })
  const tabs = await openWindows(await openBrowser(t), [served.url, served.url])
  const [first] = tabs
  assert(first)
  for (const { page } of tabs) await live(page)
  await untilStreams(served, 1)
  const devTools = await first.page.context().browser()?.newBrowserCDPSession()
  const { targetInfos = [] } =
    (await devTools?.send('Target.getTargets', { filter: [{ type: 'shared_worker' }] })) ?? {}
  const [worker] = targetInfos
  assert.match(worker?.url ?? '', /\/page\/stream\.js\?v=/)
  await devTools?.send('Target.closeTarget', { targetId: worker?.targetId ?? '' })
  await untilStreams(served, 0)
  await untilStreams(served, 1)
  await one.close()
  // The windows notice at different times.
  await Promise.any(tabs.map(({ page }) => told(page, 'postgres is down: 0 of 1 targets up')))
  for (const { page } of tabs) await headline(page).getByText('1 of 1 service down').waitFor()
})
