import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createCacheFolder } from '../../src/runtime/compile-cache.ts'
import { createFolder } from '../support/process.ts'

const user = process.getuid?.() ?? 0

/** Creates an installation, and a home of a user. The folder of an installation that is read-only has a file in the place of node_modules. */
function createInstallation(t: TestContext, { readOnly = false } = {}) {
  const folder = realpathSync(createFolder(t))
  const root = join(folder, 'porthole')
  const home = join(folder, 'home')
  for (const path of [root, home]) mkdirSync(path, { mode: 0o755 })
  if (readOnly) writeFileSync(join(root, 'node_modules'), '')
  return { root, home, beside: join(root, 'node_modules/.cache/porthole'), inHome: join(home, '.cache/porthole') }
}

test('compiled code lies beside the code, in a folder of this user', (t) => {
  const { root, home, beside } = createInstallation(t)
  assert.equal(createCacheFolder(root, { HOME: home }, user), beside)
  assert.equal(statSync(beside).mode & 0o777, 0o700)
  assert(!existsSync(join(home, '.cache')))
})

test('a folder beside the code that more users can write to than to the code is not used', (t) => {
  const { root, home, beside, inHome } = createInstallation(t)
  mkdirSync(beside, { recursive: true })
  chmodSync(beside, 0o777)
  assert.equal(createCacheFolder(root, { HOME: home }, user), inHome)
  // A group that may change the code may also change what is compiled from it.
  chmodSync(beside, 0o775)
  assert.equal(createCacheFolder(root, { HOME: home }, user), inHome)
  chmodSync(root, 0o775)
  assert.equal(createCacheFolder(root, { HOME: home }, user), beside)
})

test('beside read-only code, the folder for caches of this user is used', (t) => {
  const { root, home, inHome } = createInstallation(t, { readOnly: true })
  const caches = join(home, 'caches')
  assert.equal(createCacheFolder(root, { XDG_CACHE_HOME: caches, HOME: home }, user), join(caches, 'porthole'))
  assert.equal(createCacheFolder(root, { XDG_CACHE_HOME: 'relative', HOME: home }, user), inHome)
  assert.equal(createCacheFolder(root, { XDG_CACHE_HOME: '', HOME: home }, user), inHome)
  assert.equal(createCacheFolder(root, {}, user), null)
})

test('no folder is used that another user can replace', (t) => {
  const { root, home } = createInstallation(t, { readOnly: true })
  const cacheOf = (id = user) => createCacheFolder(root, { HOME: home }, id)
  assert(cacheOf() !== null)
  chmodSync(join(home, '.cache/porthole'), 0o702)
  assert.equal(cacheOf(), null)
  chmodSync(join(home, '.cache/porthole'), 0o700)
  chmodSync(home, 0o775)
  assert.equal(cacheOf(), null)
  // In a sticky folder, users can replace only their own files.
  chmodSync(home, 0o1777)
  assert(cacheOf() !== null)
  // The folder of root is safe for all, and that of another user is not.
  assert.equal(cacheOf(user + 1) === null, user !== 0)
})
