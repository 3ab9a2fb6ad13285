/** Compares the workflows with the repository, because nothing here can run them. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import packageJson from '../package.json' with { type: 'json' }
import { root } from './support/readme.ts'

type Step = { uses?: string; run?: string; with?: Record<string, unknown> }
type Job = { permissions?: Record<string, string>; needs?: string; steps: Step[] }
type Workflow = { on: Record<string, unknown>; permissions: Record<string, string>; jobs: Record<string, Job> }

const folder = '.github/workflows'
const workflows = readdirSync(join(root, folder)).map((name) => {
  const text = readFileSync(join(root, folder, name), 'utf8')
  return { name, text, workflow: parse(text) as Workflow }
})
const jobs = workflows.flatMap(({ name, workflow }) =>
  Object.entries(workflow.jobs).map(([key, job]) => ({ place: `${name}: ${key}`, ...job })),
)
const steps = jobs.flatMap(({ place, steps }) => steps.map((step) => ({ place, ...step })))

test('there is a workflow for each push, and one for each tag of a version', () => {
  const on = Object.fromEntries(workflows.map(({ name, workflow }) => [name, workflow.on]))
  assert.deepEqual(on, {
    'ci.yml': { push: { branches: ['main'] }, pull_request: null },
    'release.yml': { push: { tags: ['v[0-9]*'] } },
  })
})

test('every action is named by the hash of a commit, with its version', () => {
  for (const { name, text } of workflows)
    for (const line of text.split('\n').filter((line) => line.includes('uses:')))
      assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name)
})

test('the workflows use the Node.js that the tests run on', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'tools/runtime/package.json'), 'utf8'))
  const pinned = new Set(Object.values(optionalDependencies))
  const used = steps.flatMap((step) => step.with?.['node-version'] ?? [])
  assert.equal(used.length, jobs.length)
  assert.deepEqual(new Set(used), pinned)
})

test('the files and the npm scripts that the workflows run exist', () => {
  const commands = steps.flatMap(({ run }) => run ?? [])
  const scripts = commands.flatMap((command) => [...command.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name))
  assert.ok(scripts.length > 0)
  for (const name of scripts) assert.ok(name in packageJson.scripts, name)
  const files = commands.flatMap((command) => command.match(/^\.\S+/) ?? [])
  assert.ok(files.includes('.ci/run'))
  for (const file of files) assert.ok(existsSync(join(root, file)), file)
  assert.ok(commands.some((command) => command.includes('--platform linux/amd64,linux/arm64')))
})

test('a job may write only what it publishes, and publishes only after the tests', () => {
  for (const { workflow } of workflows) assert.deepEqual(workflow.permissions, { contents: 'read' })
  assert.deepEqual(
    jobs
      .filter(({ permissions }) => permissions !== undefined)
      .map(({ place, permissions, needs }) => [place, needs, permissions]),
    [
      [
        'release.yml: image',
        'test',
        { contents: 'read', packages: 'write', 'id-token': 'write', attestations: 'write' },
      ],
      ['release.yml: package', 'image', { contents: 'read', 'id-token': 'write', attestations: 'write' }],
    ],
  )
  for (const { uses, with: settings } of steps)
    if (uses?.startsWith('actions/checkout@')) assert.equal(settings?.['persist-credentials'], false)
})
