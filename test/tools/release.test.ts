/** `npm run release`, in a repository of the test's own. */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { findContentProblems, findProblems } from '../../tools/release.ts'
import { root } from '../support/readme.ts'

const { error } = spawnSync('git', ['--version'])
const skip = error === undefined ? false : `there is no git: ${error.message}`
const { name, version, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const noFiles = files === undefined && 'package.json does not say yet which files a package has'

/** The settings of this machine must not change what git does. */
const gitEnv = {
  PATH: process.env.PATH,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
}
const gitIn =
  (folder: string) =>
  (...args: string[]) =>
    execFileSync('git', args, { cwd: folder, env: gitEnv, encoding: 'utf8' })

const changelogOf = (version: string, text = '- A change.\n', unreleased = '') =>
  `# Changelog\n\n## [Unreleased]\n${unreleased}\n## [${version}] - 2026-12-01\n\n${text}`

/** Creates a repository with one commit, whose files can be released. */
function createRepository(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-release-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const git = gitIn(folder)
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  const writeVersion = (version: string) => {
    write('package.json', JSON.stringify({ name: 'porthole', version }))
    write('package-lock.json', JSON.stringify({ version, packages: { '': { version } } }))
  }
  const commit = () => {
    git('add', '--all')
    git('commit', '--quiet', '--message', 'change')
  }
  git('init', '--quiet')
  writeVersion('1.2.3')
  write('CHANGELOG.md', changelogOf('1.2.3'))
  commit()
  return { folder, git, write, writeVersion, commit }
}

test('a clean checkout whose version and changelog agree has no problem, with its tag or without', { skip }, (t) => {
  const { folder, git } = createRepository(t)
  assert.deepEqual(findProblems(folder), [])
  git('tag', '--annotate', 'v1.2.3', '--message', 'x')
  assert.deepEqual(findProblems(folder), [])
})

test('a file that is not committed is a problem, and is named', { skip }, (t) => {
  const { folder, write } = createRepository(t)
  write('left-over.txt', '')
  assert.deepEqual(findProblems(folder), ['these files are not as committed: commit or stash them:\n?? left-over.txt'])
})

test('a version without a section in the changelog is a problem, and so are a section without date or text', {
  skip,
}, (t) => {
  const { folder, write, writeVersion, commit } = createRepository(t)
  writeVersion('1.3.0')
  commit()
  assert.deepEqual(findProblems(folder), [
    'CHANGELOG.md has no section for 1.3.0: write the heading "## [1.3.0] - YYYY-MM-DD" below "## [Unreleased]"',
  ])
  write('CHANGELOG.md', changelogOf('1.3.0').replace(' - 2026-12-01', ''))
  commit()
  assert.deepEqual(findProblems(folder), [
    'the heading of 1.3.0 in CHANGELOG.md has no date: write "## [1.3.0] - YYYY-MM-DD"',
  ])
  write('CHANGELOG.md', changelogOf('1.3.0', '', '\n- Not moved.\n'))
  commit()
  assert.deepEqual(findProblems(folder), [
    'the section of 1.3.0 in CHANGELOG.md is empty: write what changed',
    'CHANGELOG.md has lines below "## [Unreleased]" that are in this release: move them to the section of 1.3.0',
  ])
})

test('a tag with another version is a problem, and so is a tag of another commit', { skip }, (t) => {
  const { folder, git, write, commit } = createRepository(t)
  git('tag', 'v1.2.4')
  assert.deepEqual(findProblems(folder), [
    'the tag of this commit is v1.2.4, and the version of package.json is 1.2.3: change the version, or remove the tag by git tag -d v1.2.4',
  ])
  git('tag', '--delete', 'v1.2.4')
  for (const kind of ['--no-sign', '--annotate']) {
    git('tag', kind, 'v1.2.3', '--message', 'x')
    const tagged = git('rev-parse', 'HEAD').slice(0, 12)
    write(`more${kind}.txt`, '')
    commit()
    assert.deepEqual(findProblems(folder), [
      `the tag v1.2.3 names another commit, ${tagged}: raise the version of package.json`,
    ])
    git('tag', '--delete', 'v1.2.3')
  }
})

test('a version that is none, and a lockfile with another one, are problems', { skip }, (t) => {
  const { folder, write, writeVersion, commit } = createRepository(t)
  writeVersion('1.2')
  write('CHANGELOG.md', changelogOf('1.2'))
  commit()
  assert.deepEqual(findProblems(folder), [
    'the version "1.2" of package.json is not like 1.2.3 or 1.2.3-rc.1: correct it',
  ])
  writeVersion('1.2.3')
  write('package.json', JSON.stringify({ name: 'porthole', version: '1.2.4-rc.1' }))
  write('CHANGELOG.md', changelogOf('1.2.4-rc.1'))
  commit()
  assert.deepEqual(findProblems(folder), [
    'package-lock.json has another version than package.json, 1.2.4-rc.1: run npm version --no-git-tag-version 1.2.4-rc.1',
  ])
})

test('a folder that is no git checkout is a problem', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-release-'))
  t.after(() => rmSync(folder, { recursive: true }))
  assert.deepEqual(findProblems(folder), [`${folder} is no git checkout: release from a clone of the repository`])
})

test('a tarball that lacks a file, or has an odd one, has a problem', () => {
  const documents = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'openapi/openapi.json', 'docs/a.md']
  const built = ['porthole.js', 'LICENSES.txt', 'swagger-ui/index.css']
  const packed = [...documents, ...built.map((name) => `dist/${name}`)]
  assert.deepEqual(findContentProblems(packed, built, 'dist/porthole.js'), [])
  assert.deepEqual(findContentProblems([...packed.slice(1), 'src/main.ts'], built, 'dist/main.js'), [
    'the tarball lacks package.json, dist/main.js: see "files" in package.json',
    'the tarball must not contain src/main.ts: see "files" in package.json',
  ])
})

/** Copies this checkout, with a changelog that can be released, into a repository of its own. */
function copyCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-release-'))
  after(() => rmSync(folder, { recursive: true }))
  const left = /^(node_modules|\.git|dist.*|release|coverage|data)$/
  for (const name of readdirSync(root).filter((name) => !left.test(name)))
    cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  appendFileSync(join(folder, '.gitignore'), 'node_modules\n')
  writeFileSync(join(folder, 'CHANGELOG.md'), changelogOf(version))
  const git = gitIn(folder)
  git('init', '--quiet')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'all')
  return folder
}

type Component = {
  group?: string
  name: string
  version: string
  scope: string
  licenses: unknown[]
  hashes: unknown[]
}
type Sbom = { metadata: { component: { purl: string } }; components: Component[] }

test('a release is built, packed and listed; the list keeps to the schema of CycloneDX', {
  skip: skip || noFiles,
}, async () => {
  const folder = copyCheckout()
  const { stdout } = await promisify(execFile)(process.execPath, ['tools/release.ts'], {
    cwd: folder,
    timeout: 300_000,
  })
  assert.match(stdout, /^release\/porthole-[\d.]+\.tgz: \d+ files, \d+ kB, sha512-/)
  assert.match(stdout, /\nNothing is published\. .*\n- git tag -a v/)
  assert.match(stdout, /"private": true, so npm publishes no package/)
  assert.deepEqual(readdirSync(join(folder, 'release')).sort(), [
    `porthole-${version}.cdx.json`,
    `porthole-${version}.tgz`,
  ])
  assert.equal(gitIn(folder)('status', '--porcelain'), '')

  const sbom: Sbom = JSON.parse(readFileSync(join(folder, `release/porthole-${version}.cdx.json`), 'utf8'))
  const schemas = join(root, 'node_modules/@cyclonedx/cyclonedx-library/res/schema')
  // The schemas name each other by their files.
  const schemaOf = (name: string) => {
    const file = `${name}.SNAPSHOT.schema.json`
    return { ...JSON.parse(readFileSync(join(schemas, file), 'utf8')), $id: `http://cyclonedx.org/schema/${file}` }
  }
  const ajv = new Ajv({ strict: false, schemas: [schemaOf('spdx'), schemaOf('jsf-0.82')] })
  addFormats.default(ajv)
  // ajv-formats has no formats for internationalized names.
  ajv.addFormat('iri-reference', true).addFormat('idn-email', true)
  const isValid = ajv.compile(schemaOf('bom-1.6'))
  assert.ok(isValid(sbom), JSON.stringify(isValid.errors))

  assert.equal(sbom.metadata.component.purl, `pkg:npm/${name}@${version}`)
  const { components } = sbom
  const named = (scope: string) =>
    components
      .filter((component) => component.scope === scope)
      .map(({ group, name, version }) => `${group === undefined ? '' : `${group}/`}${name} ${version}`)
  // The build lists the same packages with their licences.
  const licences = readFileSync(join(folder, 'dist/LICENSES.txt'), 'utf8')
  for (const bundled of named('required')) assert.ok(licences.includes(`\n${bundled} (`), bundled)
  for (const bundled of ['fastify', 'zod', 'prom-client', 'uplot', '@fastify/swagger-ui', 'pino-pretty'])
    assert.ok(
      named('required').some((known) => known.startsWith(`${bundled} `)),
      bundled,
    )
  assert.ok(named('optional').some((known) => known.startsWith('koffi ')))
  assert.ok(!components.some(({ name }) => name === 'typescript'))
  assert.ok(components.every(({ licenses, hashes }) => licenses.length > 0 && hashes.length > 0))
})
