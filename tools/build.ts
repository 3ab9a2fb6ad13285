/**
 * Builds dist/ from src/: plain JavaScript with the packages that it uses, for Node.js 24 without type stripping.
 *
 *     node tools/build.ts            builds
 *     node tools/build.ts --if-old   builds only if dist/ is missing, or older than what it is built from
 *
 * dist/ is flat. One file is the entry, one file is each program of a thread, and code that is imported lazily stays in files of its own.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'
import fastJson from 'fast-json-stringify'
import { writerSchemas } from '../src/http/health/report-writers.ts'

const root = join(import.meta.dirname, '..')
const inRoot = (...path: string[]) => join(root, ...path)
/** Everything that dist/ is built from. */
const inputs = ['src', 'tools/licenses', 'package.json', 'package-lock.json', 'tools/build.ts']

/** Returns the paths of all files below a folder, relative to the folder. */
const filesBelow = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' })

/** Returns whether dist/ is missing, or older than a file from which it is built. */
function isOld(): boolean {
  const built = inRoot('dist/porthole.js')
  if (!existsSync(built)) return true
  const { mtimeMs } = statSync(built)
  // The time of a folder changes when a file in it is deleted.
  return inputs.some((input) => {
    const path = inRoot(input)
    const all = statSync(path).isDirectory() ? [path, ...filesBelow(path).map((file) => join(path, file))] : [path]
    return all.some((file) => statSync(file).mtimeMs > mtimeMs)
  })
}

/** A file beside the code, by the URL of the code: `new URL('./worker.ts', import.meta.url)`. */
const besideCode = /\bnew URL\(\s*'(\.\.?\/[^']*\w)',\s*import\.meta\.url,?\s*\)/g
/** A file of a package, by its name: `import.meta.resolve('uplot/dist/uPlot.min.css')`. */
const inPackage = /\bimport\.meta\.resolve\(\s*'([^']+)',?\s*\)/g

/** Returns the name in dist/ of an entry, without its ending: `store-sqlite-worker` for src/store/sqlite/worker.ts. */
const entryName = (path: string) =>
  relative(inRoot('src'), path)
    .replace(/\.[jt]s$/, '')
    .replaceAll(/[\\/]/g, '-')

/** The files in src/ that threads run, because code names them by a URL. */
function findThreads(): string[] {
  return filesBelow(inRoot('src'))
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const path = inRoot('src', file)
      const urls = [...readFileSync(path, 'utf8').matchAll(besideCode)].map(([, url = '']) => url)
      return urls.filter((url) => url.endsWith('.ts')).map((url) => join(dirname(path), url))
    })
}

/** The code that makes stack traces name the lines of src/. Every entry imports it. */
const stackTraces = inRoot('src/runtime/stack-traces.ts')
/** The files of Swagger UI that its page loads. */
const swaggerUiFiles = ['index.css', 'swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-standalone-preset.js']

/** The modules that Porthole never runs, though its packages load them. dist/ has empty modules in their place. */
const unused = [
  // prom-client reads the current trace only for exemplars, which Porthole does not enable.
  '@opentelemetry/api/dist/index.cjs',
  // prom-client pushes to a gateway, and adds up the metrics of a cluster.
  'prom-client/lib/cluster.js',
  'prom-client/lib/pushgateway.js',
  // Fastify gets compilers that need no library (src/http/requests/schemas.ts), and only tests send it requests in memory.
  '@fastify/ajv-compiler/index.js',
  '@fastify/fast-json-stringify-compiler/index.js',
  'light-my-request/index.js',
]

/** The modules of Node.js that Fastify loads for servers that Porthole does not start. */
const unusedByFastify = ["const https = require('node:https')", "const http2 = require('node:http2')"]

/** Leaves out what costs time and memory at every start, and is never used. */
const leaveOutUnused: Plugin = {
  name: 'leave-out-unused',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\// }, async ({ path }) => {
      if (unused.some((file) => path.endsWith(`/node_modules/${file}`))) return { contents: 'module.exports = {}' }
      if (!path.endsWith('/node_modules/fastify/lib/server.js')) return undefined
      let contents = await readFile(path, 'utf8')
      for (const line of unusedByFastify) {
        if (!contents.includes(line)) throw new Error(`${path} loads its modules in another way: change tools/build.ts`)
        contents = contents.replace(line, line.replace(/=.*/, '= undefined'))
      }
      return { contents }
    })
  },
}

/** Compiles the writers of reports, which src/ compiles at every start. */
const compileWriters: Plugin = {
  name: 'compile-writers',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\/src\/http\/health\/report-writers\.ts$/ }, () => ({
      contents: Object.keys(writerSchemas)
        .map((name) => `export { default as ${name} } from 'writer:${name}'`)
        .join('\n'),
    }))
    onResolve({ filter: /^writer:/ }, ({ path }) => ({ path: path.replace('writer:', ''), namespace: 'writer' }))
    onLoad({ filter: /./, namespace: 'writer' }, ({ path }) => {
      const contents = String(fastJson(writerSchemas[path as keyof typeof writerSchemas], { mode: 'standalone' }))
      // Such a writer validates values before it writes them, which is slow.
      if (contents.includes('validator.get')) throw new Error(`the schema of ${path} has an anyOf: write it without`)
      return { contents, resolveDir: root }
    })
  },
}

/** Makes every file that code names by a URL a file in dist/: the programs of threads, and files that are served as they are. */
function copyNamedFiles(copied: Map<string, string>, entries: readonly string[]): Plugin {
  /** Returns the URL of a file as code in dist/ writes it. */
  function urlOf(path: string): string {
    if (path.endsWith('.ts')) return `./${entryName(path)}.js`
    // Files of Porthole outside of src/ stay where they are. node_modules/ may be a link to another folder.
    if (!path.startsWith(inRoot('src/')) && !path.includes('/node_modules/')) return `../${relative(root, path)}`
    const name = basename(path)
    const other = copied.get(name)
    if (other !== undefined && other !== path)
      throw new Error(`two files of dist/ would be ${name}: ${other} and ${path}`)
    copied.set(name, path)
    return `./${name}`
  }
  return {
    name: 'copy-named-files',
    setup({ onLoad }) {
      // The plugin looks for the browser's part of Swagger UI beside its own code.
      onLoad({ filter: /\/@fastify\/swagger-ui\/lib\/routes\.js$/ }, async ({ path }) => {
        const folder = join(path, '../../static')
        for (const name of swaggerUiFiles) copied.set(join('swagger-ui', name), join(folder, name))
        const text = await readFile(path, 'utf8')
        const own = "path.join(__dirname, '..', 'static')"
        if (!text.includes(own)) throw new Error(`${path} finds its files in another way: change tools/build.ts`)
        return { contents: text.replace(own, "path.join(__dirname, 'swagger-ui')") }
      })
      onLoad({ filter: /\/src\/.*\.[jt]s$/ }, async ({ path }) => {
        if (!path.startsWith(inRoot('src/'))) return undefined
        const text = await readFile(path, 'utf8')
        const contents = text
          // Of a namespace esbuild leaves out what no code uses: the texts of zod in all languages.
          .replace("import { z } from 'zod'", "import * as z from 'zod'")
          .replace(
            besideCode,
            (_whole, url: string) => `new URL('${urlOf(join(dirname(path), url))}', import.meta.url)`,
          )
          .replace(inPackage, (_whole, specifier: string) => {
            const url = import.meta.resolve(specifier, pathToFileURL(path).href)
            return `new URL('${urlOf(fileURLToPath(url))}', import.meta.url).href`
          })
        // At the end, so that the lines of the file stay the same. Imports run first wherever they are.
        const added = entries.includes(path) ? `\nimport ${JSON.stringify(stackTraces)}` : ''
        return { contents: contents + added, loader: path.endsWith('.ts') ? 'ts' : 'js' }
      })
    },
  }
}

/** Returns the folder of the package that a file belongs to, as a path in node_modules; null for a file of Porthole. */
const packageOf = (file: string) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? null

/** Returns the names, versions and licence texts of packages. Throws if one has no text. */
function licencesOf(packages: Iterable<string>): string {
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(inRoot(folder, 'package.json'), 'utf8'))
    const own = readdirSync(inRoot(folder))
      .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
      .map((file) => inRoot(folder, file))
    // Packages that name their licence without its text have the text here.
    const files = [...own, inRoot('tools/licenses', `${name}.txt`)].filter((file) => existsSync(file))
    if (files.length === 0) throw new Error(`${folder} has no licence text: add tools/licenses/${name}.txt`)
    const text = files.map((file) => readFileSync(file, 'utf8').trim()).join('\n\n')
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return `dist/ contains code of these packages:\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`
}

/** Makes the folder dist/. The old dist/ is there until the moment before. Several builds may do this at the same time. */
function replaceDist(folder: string): void {
  const old = `${folder}-old`
  for (;;) {
    if (existsSync(inRoot('dist'))) rename(inRoot('dist'), old, 'ENOENT')
    rmSync(old, { recursive: true, force: true })
    if (rename(folder, inRoot('dist'), 'ENOTEMPTY')) return
  }
}

/** Renames a folder. Returns false if that fails with `code`, because another build was faster. */
function rename(from: string, to: string, code: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) throw error
    return false
  }
}

/** Builds dist/. The old dist/ stays until the new one is complete. Returns the metafile of esbuild, with the packages in dist/ as paths. */
export async function buildDist(): Promise<Metafile & { readonly packages: readonly string[] }> {
  const folder = mkdtempSync(inRoot('dist-'))
  try {
    const copied = new Map<string, string>()
    const entries = [inRoot('src/porthole.js'), ...findThreads()]
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: entries.map((path) => ({ in: path, out: entryName(path) })),
      outdir: folder,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      // A native library. It is the only package that dist/ needs.
      external: ['koffi'],
      // Packages in CommonJS call `require` for the modules of Node.js, and one looks for files beside its code.
      banner: {
        js: "import { createRequire as createRequireHere } from 'node:module'\nconst require = createRequireHere(import.meta.url), __dirname = import.meta.dirname",
      },
      sourcemap: 'linked',
      sourcesContent: false,
      legalComments: 'none',
      // V8 keeps the source of everything that it has loaded in memory. Names stay, so that stack traces can be read.
      minifyWhitespace: true,
      minifySyntax: true,
      chunkNames: '[name]-[hash]',
      metafile: true,
      plugins: [leaveOutUnused, compileWriters, copyNamedFiles(copied, entries)],
      logLevel: 'warning',
    })
    mkdirSync(join(folder, 'swagger-ui'))
    for (const [name, path] of copied) await copyFile(path, join(folder, name))
    const files = [...Object.keys(metafile.inputs), ...[...copied.values()].map((path) => relative(root, path))]
    const packages = new Set(files.map(packageOf).filter((name) => name !== null))
    writeFileSync(join(folder, 'LICENSES.txt'), licencesOf(packages))
    // mkdtemp made it for this user alone.
    chmodSync(folder, 0o755)
    replaceDist(folder)
    return { ...metafile, packages: [...packages] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Builds dist/ if it is missing or old, and says so. */
export async function buildIfOld(): Promise<void> {
  if (!isOld()) return
  console.error('dist/ is missing or older than src/: building')
  await buildDist()
}

if (import.meta.main) await (process.argv.includes('--if-old') ? buildIfOld() : buildDist())
