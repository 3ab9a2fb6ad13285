/**
 * Takes the pictures of the status page for the documentation: `npm run screenshot`. The pictures show a day that is the same every time. Needs
 * Chromium.
 */
import { join } from 'node:path'
import { noChromium, startBrowser } from '../test/page/browser.ts'
import { stage } from '../test/page/scene.ts'
import type { Scope } from '../test/support/process.ts'

const folder = join(import.meta.dirname, '../docs')
const endings: (() => void | Promise<void>)[] = []
const scope: Scope = { after: (ending) => void endings.push(ending) }
if (noChromium) throw new Error(`no picture can be taken: ${noChromium}`)
try {
  const { listen } = await stage(scope)
  const open = await startBrowser(scope)
  const url = await listen()
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page } = await open(url, { colorScheme, width: 1240 })
    await page.locator('#live[data-live="yes"]').waitFor()
    const path = join(folder, `status-page-${colorScheme}.png`)
    await page.screenshot({ path })
    console.log(path)
  }
} finally {
  for (const ending of endings.reverse()) await ending()
}
