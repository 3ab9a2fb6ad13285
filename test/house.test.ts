import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

/** The folders and files at the top of src/ that each folder or file may import, besides its own files. An entry may name only entries above it. */
const mayImport: Record<string, readonly string[]> = {
  domain: [],
  runtime: [],
  prober: ['domain', 'runtime'],
  monitor: ['domain', 'runtime', 'prober'],
  redis: ['runtime'],
  store: ['domain', 'runtime', 'monitor', 'redis'],
  registrar: ['domain', 'runtime', 'monitor', 'store'],
  replicas: ['domain', 'runtime', 'monitor', 'redis', 'store', 'registrar'],
  metrics: ['domain', 'runtime', 'monitor', 'store', 'replicas'],
  http: ['domain', 'runtime', 'monitor', 'store', 'replicas', 'registrar', 'metrics'],
  page: ['domain', 'runtime', 'monitor', 'store', 'replicas', 'registrar', 'http'],
  config: ['domain', 'runtime'],
  app: ['domain', 'runtime', 'monitor', 'store', 'replicas', 'registrar', 'metrics', 'http', 'page'],
  cli: ['domain', 'runtime', 'prober', 'monitor', 'store', 'replicas', 'registrar', 'metrics', 'http', 'config', 'app'],
  porthole: ['runtime', 'cli'],
}

/** The files that may read the arguments and the environment of the process, and end it. */
const processFiles = ['runtime/exit.ts', 'cli/main.ts', 'cli/commands/serve.ts', 'cli/signals.ts', 'porthole.js']
/** The parts of `process` that every file may use: constants of the runtime, the queue of ticks and the clock. */
const harmless = ['arch', 'hrtime', 'nextTick', 'platform', 'version', 'versions']

type Import = { readonly from: string; readonly names: string; readonly typeOnly: boolean }

/** Returns every import and re-export of a source, static and dynamic. */
function importsOf(source: string): Import[] {
  const statics = source.matchAll(/^(?:import|export)\s+(type\s+)?([^'"`;=]*?)\bfrom\s+['"]([^'"]+)['"]/gm)
  const bare = source.matchAll(/^import\s+['"]([^'"]+)['"]/gm)
  const dynamic = source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)
  return [
    ...statics.map(([, type, names = '', from = '']) => ({ from, names: names.trim(), typeOnly: type !== undefined })),
    ...[...bare, ...dynamic].map(([, from = '']) => ({ from, names: '', typeOnly: false })),
  ]
}

/** Removes the comments of a source, and also text inside strings that looks like a comment. */
const withoutComments = (source: string) => source.replace(/\/\*.*?\*\//gs, '').replace(/(?<!:)\/\/.*$/gm, '')

/** Returns the parts of `process` that a source uses and that not every file may use. */
function processUses(source: string): string[] {
  const code = withoutComments(source)
  const named = importsOf(code).filter(({ from }) => /^(node:)?process$/.test(from))
  const members = [
    ...[...code.matchAll(/\bprocess\s*(?:\?\.|\.)\s*(\w+)/g)].map(([, member = '']) => member),
    ...named.flatMap(({ names }) => names.replace(/[{}\s]/g, '').split(',')),
  ]
  const whole = code.match(/\bprocess\s*\[|[=(,]\s*process\s*[;,)\n]/g) ?? []
  return [...members.filter((member) => !harmless.includes(member)), ...whole]
}

const root = join(import.meta.dirname, '../src')
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(ts|js)$/.test(file))
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
/** Returns the top folder of src/ of a file; for a file at the top, its own name. */
const placeOf = (file: string) => file.replace(/[/.].*$/, '')
const targetOf = (file: string, { from }: Import) => relative(root, join(root, dirname(file), from))
const ownImports = (file: string) => importsOf(sources.get(file) ?? '').filter(({ from }) => from.startsWith('.'))

test('the imports of a source are found in every form', () => {
  const source = `
import { a } from './a.ts'
import type { B } from './b.ts'
import c, {
  type D,
} from "./c.ts"
import './d.ts'
export { e } from './e.ts'
const from = 'nothing'
const f = await import('./f.ts')
`
  assert.deepEqual(
    importsOf(source).map(({ from, typeOnly }) => `${from}${typeOnly ? ' (type)' : ''}`),
    ['./a.ts', './b.ts (type)', './c.ts', './e.ts', './d.ts', './f.ts'],
  )
})

test('the uses of process are found, those in comments are not', () => {
  assert.deepEqual(processUses('process.exit(1); process.env.HOME; process.nextTick(f)'), ['exit', 'env'])
  assert.deepEqual(processUses("import { env, hrtime } from 'node:process'"), ['env'])
  assert.deepEqual(processUses("import all from 'node:process'"), ['all'])
  assert.equal(processUses("const { env } = process\nprocess['exit']()").length, 2)
  assert.deepEqual(processUses('/** ends the process. Then */ run() // process.exit'), [])
})

test('every folder of src/ is in the table of allowed imports', () => {
  assert.ok(files.length > 20, 'src/ was not found')
  for (const file of files) {
    const place = placeOf(file)
    assert.ok(
      place in mayImport,
      `src/${file}: the table at the top of test/house.test.ts has no line for "${place}"; add one`,
    )
  }
})

test('the table itself runs downwards only, and names no folder or file that is gone', () => {
  const places = Object.keys(mayImport)
  const taken = new Set(files.map(placeOf))
  assert.deepEqual(
    [...places.filter((place) => !taken.has(place)), ...processFiles.filter((file) => !sources.has(file))],
    [],
    'these are in the tables at the top of test/house.test.ts, and not in src/',
  )
  for (const [place, lower] of Object.entries(mayImport)) {
    for (const other of lower) {
      assert.ok(places.includes(other), `"${other}" has no line of its own`)
      assert.ok(places.indexOf(other) < places.indexOf(place), `"${place}" must stand below "${other}"`)
    }
  }
})

test('imports run downwards only', () => {
  for (const file of files) {
    for (const imported of ownImports(file)) {
      const target = targetOf(file, imported)
      assert.ok(sources.has(target), `src/${file} imports ${imported.from}, which is not in src/`)
      const [from, to] = [placeOf(file), placeOf(target)]
      assert.ok(
        from === to || mayImport[from]?.includes(to),
        `src/${file} imports src/${target}, and ${from} may not import ${to}`,
      )
    }
  }
})

test('no file imports itself in a circle, types apart', () => {
  const sound = new Set<string>()
  function walk(file: string, path: readonly string[]): void {
    assert.ok(!path.includes(file), `a circle of imports: ${[...path, file].join(' → ')}`)
    if (sound.has(file)) return
    for (const imported of ownImports(file)) {
      const target = targetOf(file, imported)
      if (!imported.typeOnly && sources.has(target)) walk(target, [...path, file])
    }
    sound.add(file)
  }
  for (const file of files) walk(file, [])
  assert.equal(sound.size, files.length)
})

test('the domain imports only zod and isIP', () => {
  for (const file of files.filter((file) => placeOf(file) === 'domain')) {
    for (const imported of importsOf(sources.get(file) ?? '')) {
      const { from, names } = imported
      const isOwn = from.startsWith('.') && placeOf(targetOf(file, imported)) === 'domain'
      const allowed = isOwn || from === 'zod' || (from === 'node:net' && names === '{ isIP }')
      assert.ok(allowed, `src/${file} imports ${names} from ${from}: rules are pure, zod and isIP apart`)
    }
    const code = withoutComments(sources.get(file) ?? '')
    const clocks = code.match(
      /\bDate\.now|\bnew Date\(\)|\bperformance\b|\bset(Timeout|Interval|Immediate)\b|\bMath\.random\b/,
    )
    assert.equal(clocks, null, `src/${file} uses ${clocks?.[0]}: pass it to the rule as a parameter`)
  }
})

test('only metrics imports prom-client', () => {
  for (const file of files.filter((file) => placeOf(file) !== 'metrics')) {
    const imported = importsOf(sources.get(file) ?? '').some(({ from }) => from === 'prom-client')
    assert.ok(!imported, `src/${file} imports prom-client: ask the metrics instead`)
  }
})

test('only the listed files use the process', () => {
  for (const file of files.filter((file) => !processFiles.includes(file))) {
    assert.deepEqual(
      processUses(sources.get(file) ?? ''),
      [],
      `src/${file} uses the process: take what it needs as an argument from src/cli/main.ts`,
    )
  }
})

test('porthole check reads neither zod nor the parsers of a configuration', () => {
  const read = new Set<string>()
  const packages = new Set<string>()
  function walk(file: string): void {
    if (read.has(file)) return
    read.add(file)
    for (const imported of importsOf(sources.get(file) ?? '')) {
      if (imported.typeOnly || imported.from.startsWith('node:')) continue
      if (imported.from.startsWith('.')) walk(targetOf(file, imported))
      else packages.add(imported.from)
    }
  }
  walk('cli/commands/check.ts')
  assert.ok(read.has('prober/kernel/kernel.ts'), 'the walk must reach the prober')
  assert.deepEqual(
    [...packages],
    ['koffi'],
    'each package takes some 0.1 s and 10 MB: give `check` a module without it',
  )
})
