import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

/** Why tests that need promtool are skipped; false where it is installed. */
export const noPromtool =
  spawnSync('promtool', ['--version']).error !== undefined && 'promtool (Debian: prometheus) is not installed'

/** Asserts that promtool accepts a page without any message. */
export function assertAccepted(page: string): void {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' })
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
}
