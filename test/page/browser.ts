/** Debian's Chromium, and what it complains of. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { limitMs, type Scope } from '../process.ts'

const executablePath = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path))

/** Why tests in a browser cannot run here; false where they can. */
export const noChromium: string | false = executablePath === undefined ? 'chromium is not installed' : false

/**
 * No sandbox, as root has none; and nothing that would ask another host for anything. What Chromium tries all the same finds no address,
 * and no proxy that the environment names. A `--disable-features` here would take the place of Playwright's own, which silences more.
 */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
]

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A page that is open, as somebody has it before them. */
export type Tab = {
  readonly page: Page
  /** What went wrong on it: errors of scripts, what its policy forbids, what could not be loaded, and what it asked of other hosts. */
  readonly complaints: string[]
  /** From now on what cannot be loaded is no complaint: the test takes the server away. */
  expectLoss(): void
}

type TabOptions = {
  readonly javaScript?: boolean
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
  /** A tab of the same profile, with which the new tab shares connections, workers and cache. */
  readonly beside?: Tab
  /** Runs in the page before its own scripts. */
  readonly script?: string
}

/** Starts a browser that ends with the test. Returns what opens tabs in it, each with nothing from any other unless `beside` says so. */
export async function startBrowser(t: Scope): Promise<(url: string, options?: TabOptions) => Promise<Tab>> {
  const browser: Browser = await chromium.launch({ executablePath: executablePath ?? '', args })
  t.after(() => browser.close())
  return async (
    url,
    { javaScript = true, colorScheme = 'light', width = 1280, height = 900, beside, script = '' } = {},
  ) => {
    const context =
      beside?.page.context() ??
      (await browser.newContext({ javaScriptEnabled: javaScript, colorScheme, viewport: { width, height } }))
    const page = await context.newPage()
    const complaints: string[] = []
    let isLossExpected = false
    const { origin } = new URL(url)
    page.on('console', (message) => {
      const isLoss = /net::ERR|Failed to load resource/.test(message.text())
      if (['error', 'warning'].includes(message.type()) && !(isLoss && isLossExpected)) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) complaints.push(`asked another host: ${request.url()}`)
    })
    await page.addInitScript(script)
    await page.goto(url)
    return {
      page,
      complaints,
      expectLoss() {
        isLossExpected = true
      },
    }
  }
}

/** What is there in a page, as far as it is used here. All of a browser's types would be in the way of Node.js' own. */
type InPage = {
  readonly axe: { run(): Promise<{ violations: Violation[] }> }
  /** Left there by `timeKey` for its second half. */
  timed: Promise<KeyTimes>
  addEventListener(type: 'keydown', listener: (event: { timeStamp: number }) => void, options: { once: true }): void
  requestAnimationFrame(paint: () => void): void
  readonly document: { addEventListener(type: 'shown', listener: () => void, options: { once: true }): void }
  /** Browsers tell of what was before as well. */
  readonly observer: { observe(options: { type: 'longtask'; buffered: true }): void }
}
type Violation = { readonly id: string; readonly impact: string; readonly nodes: readonly { target: string[] }[] }
/** Milliseconds until the page could take the next key, and until what came of this one was painted. */
type KeyTimes = { readonly takenMs: number; readonly shownMs: number }

/** What axe-core finds against accessibility, a line for each rule. */
export async function audit(page: Page): Promise<string[]> {
  // By the debugger, which no policy of the page's forbids.
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as InPage).axe.run()
    return violations.map(
      ({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
    )
  })
}

/** Presses a key in the page, and waits until what came of it is painted. */
export async function timeKey(page: Page, key: string, withinMs = limitMs): Promise<KeyTimes> {
  await page.evaluate((withinMs) => {
    const global = globalThis as unknown as InPage
    global.timed = new Promise((done, fail) => {
      setTimeout(() => fail(new Error(`nothing was shown within ${withinMs} ms`)), withinMs)
      global.addEventListener(
        'keydown',
        ({ timeStamp: from }) => {
          let takenMs = 0
          setTimeout(() => {
            takenMs = performance.now() - from
          })
          const painted = () =>
            global.requestAnimationFrame(() => setTimeout(() => done({ takenMs, shownMs: performance.now() - from })))
          global.document.addEventListener('shown', painted, { once: true })
        },
        { once: true },
      )
    })
  }, withinMs)
  await page.keyboard.press(key)
  return page.evaluate(() => (globalThis as unknown as InPage).timed)
}

/** The longest time that the page did nothing else than work, in milliseconds, from when it was opened; 0 where none took 50. */
export async function longestTaskMs(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise((done) => {
        let longest = 0
        const observer = new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) longest = Math.max(longest, duration)
        })
        ;(observer as unknown as InPage['observer']).observe({ type: 'longtask', buffered: true })
        setTimeout(() => done(Math.round(longest)), 100)
      }),
  )
}
