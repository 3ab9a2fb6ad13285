/**
 * Prepares a release: `npm run release`. Checks that version, changelog and tag agree, builds dist/, packs the tarball, checks its contents, and
 * writes an SBOM beside it into release/. Publishes nothing. docs/releasing.md says what comes before and after.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildDist } from './build.ts'
import { createSbom, type Lock, type Manifest } from './sbom.ts'

/** The folder of tarball and SBOM. */
const outputName = 'release'
/** What the tarball contains besides folders that it contains whole. */
const singleFiles = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'openapi/openapi.json']
const wholeFolders = ['dist', 'docs', 'deploy']

/** Returns why a checkout cannot be released, each reason with its remedy. */
export function findProblems(folder: string): string[] {
  if (!existsSync(join(folder, '.git'))) return [`${folder} is no git checkout: release from a clone of the repository`]
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim()
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const { version } = JSON.parse(read('package.json')) as Manifest
  const lock = JSON.parse(read('package-lock.json')) as Lock
  const problems: string[] = []

  const changed = git('status', '--porcelain')
  if (changed !== '') problems.push(`these files are not as committed: commit or stash them:\n${changed}`)
  if (!/^\d+\.\d+\.\d+(?:-[\dA-Za-z.-]+)?$/.test(version))
    problems.push(`the version ${JSON.stringify(version)} of package.json is not like 1.2.3 or 1.2.3-rc.1: correct it`)
  if (lock.version !== version || lock.packages['']?.version !== version)
    problems.push(
      `package-lock.json has another version than package.json, ${version}: run npm version --no-git-tag-version ${version}`,
    )
  problems.push(...findChangelogProblems(read('CHANGELOG.md'), version))

  const tag = `v${version}`
  const head = git('rev-parse', 'HEAD')
  for (const other of git('tag', '--points-at', 'HEAD').split('\n')) {
    if (/^v\d/.test(other) && other !== tag)
      problems.push(
        `the tag of this commit is ${other}, and the version of package.json is ${version}: change the version, or remove the tag by git tag -d ${other}`,
      )
  }
  const tagged = git('for-each-ref', '--format=%(*objectname)%(objectname)', `refs/tags/${tag}`).slice(0, head.length)
  if (tagged !== '' && tagged !== head)
    problems.push(`the tag ${tag} names another commit, ${tagged.slice(0, 12)}: raise the version of package.json`)
  return problems
}

function findChangelogProblems(changelog: string, version: string): string[] {
  const sections = new Map(
    changelog
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const end = section.indexOf('\n')
        return [section.slice(0, end).trim(), section.slice(end).trim()] as const
      }),
  )
  const problems: string[] = []
  const wanted = `[${version}]`
  const heading = [...sections.keys()].find((heading) => heading.startsWith(wanted))
  if (heading === undefined)
    problems.push(
      `CHANGELOG.md has no section for ${version}: write the heading "## ${wanted} - YYYY-MM-DD" below "## [Unreleased]"`,
    )
  else if (!/^ - \d{4}-\d\d-\d\d$/.test(heading.slice(wanted.length)))
    problems.push(`the heading of ${version} in CHANGELOG.md has no date: write "## ${wanted} - YYYY-MM-DD"`)
  if (heading !== undefined && sections.get(heading) === '')
    problems.push(`the section of ${version} in CHANGELOG.md is empty: write what changed`)
  if ((sections.get('[Unreleased]') ?? '') !== '')
    problems.push(
      `CHANGELOG.md has lines below "## [Unreleased]" that are in this release: move them to the section of ${version}`,
    )
  return problems
}

/** Returns which files a tarball lacks, and which it should not contain. `built` are the files in dist/, and `bin` is the program. */
export function findContentProblems(packed: readonly string[], built: readonly string[], bin: string): string[] {
  const contents = new Set(packed)
  const needed = [...singleFiles, bin, 'dist/LICENSES.txt', ...built.map((name) => `dist/${name}`)]
  const missing = [...new Set(needed)].filter((name) => !contents.has(name))
  const odd = packed.filter(
    (name) => !singleFiles.includes(name) && !wholeFolders.some((folder) => name.startsWith(`${folder}/`)),
  )
  const problems: string[] = []
  if (missing.length > 0) problems.push(`the tarball lacks ${listNames(missing)}: see "files" in package.json`)
  if (odd.length > 0) problems.push(`the tarball must not contain ${listNames(odd)}: see "files" in package.json`)
  return problems
}

/** Lists the first names, and says how many more there are. */
function listNames(names: readonly string[]): string {
  const [shown, more] = [names.slice(0, 10), names.length - 10]
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more files` : ''}`
}

/** Builds and packs a checkout. Returns the lines that tell the result; throws an error with the problems if there are any. */
async function release(folder: string): Promise<string[]> {
  refuse(findProblems(folder))
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest & {
    private?: boolean
    bin: { porthole: string }
  }
  const { packages } = await buildDist()
  const output = join(folder, outputName)
  rmSync(output, { recursive: true, force: true })
  mkdirSync(output)
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', output]
  const [tarball] = JSON.parse(execFileSync('npm', args, { cwd: folder, encoding: 'utf8' })) as [
    { filename: string; size: number; integrity: string; files: { path: string }[] },
  ]
  const built = readdirSync(join(folder, 'dist'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, 'dist/').length))
  const packed = tarball.files.map(({ path }) => path)
  refuse(findContentProblems(packed, built, manifest.bin.porthole))

  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as Lock
  // The time of the commit, so that the same commit gives the same document.
  const time = execFileSync('git', ['show', '-s', '--format=%cI', 'HEAD'], { cwd: folder, encoding: 'utf8' }).trim()
  // node_modules may be a link to another folder.
  const bundled = packages.map((path) => path.slice(path.indexOf('node_modules/')))
  const sbom = createSbom({ manifest, lock, bundled, time })
  const sbomName = tarball.filename.replace(/\.tgz$/, '.cdx.json')
  writeFileSync(join(output, sbomName), `${JSON.stringify(sbom, null, 2)}\n`)
  const tag = `v${manifest.version}`
  return [
    `${outputName}/${tarball.filename}: ${packed.length} files, ${Math.round(tarball.size / 1000)} kB, ${tarball.integrity}`,
    `${outputName}/${sbomName}: ${sbom.components.length} packages`,
    '',
    'Nothing is published. What is left (docs/releasing.md):',
    `- git tag -a ${tag} -m "Porthole ${manifest.version}", unless the tag exists, then git push origin ${tag}`,
    '- the tag starts .github/workflows/release.yml, which publishes',
    ...(manifest.private === true
      ? [
          '- package.json has "private": true, so npm publishes no package. That stays until a maintainer owns the name in the registry.',
        ]
      : []),
  ]
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new Refusal(problems)
}

/** The problems that prevent a release. */
class Refusal extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

if (import.meta.main) {
  try {
    for (const line of await release(join(import.meta.dirname, '..'))) console.log(line)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    for (const problem of error.problems) console.error(`release: ${problem}`)
    process.exitCode = 1
  }
}
