/** Writes down what a release contains, as a CycloneDX document (https://cyclonedx.org/docs/1.6/json/). */

/** An entry of package-lock.json. */
type LockEntry = {
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
export type Lock = { readonly version?: string; readonly packages: Readonly<Partial<Record<string, LockEntry>>> }

export type Manifest = {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
}

type Component = { readonly 'bom-ref': string; readonly [field: string]: unknown }

/**
 * Returns the document. `bundled` are the packages in dist/, as paths of package-lock.json. The packages that npm installs beside Porthole are in the
 * document too, as optional ones. `npm sbom` knows the latter only. `time` is the time of the release in ISO 8601.
 */
export function createSbom({
  manifest,
  lock,
  bundled,
  time,
}: {
  readonly manifest: Manifest
  readonly lock: Lock
  readonly bundled: readonly string[]
  readonly time: string
}): { readonly components: readonly Component[]; readonly [field: string]: unknown } {
  const { name, version, description, license } = manifest
  const components = new Map<string, Component>()
  for (const path of bundled) addComponent(path, 'required')
  for (const path of installedWith(lock)) addComponent(path, 'optional')
  const sorted = [...components.values()].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1))
  const ref = purlOf(name, version)
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: time,
      component: {
        type: 'application',
        'bom-ref': ref,
        name,
        version,
        description,
        licenses: licensesOf(license),
        purl: ref,
      },
    },
    components: sorted,
    dependencies: [{ ref, dependsOn: sorted.map((component) => component['bom-ref']) }],
  }

  function addComponent(path: string, scope: 'required' | 'optional'): void {
    const { version, license, integrity } = lock.packages[path] ?? {}
    if (version === undefined) throw new Error(`package-lock.json has no version of ${path}: run npm install`)
    const fullName = path.replace(/^.*node_modules\//, '')
    const ref = purlOf(fullName, version)
    if (components.has(ref)) return
    const [group, name] = fullName.startsWith('@') ? fullName.split('/') : [undefined, fullName]
    components.set(ref, {
      type: 'library',
      'bom-ref': ref,
      ...(group === undefined ? {} : { group }),
      name,
      version,
      scope,
      ...(license === undefined ? {} : { licenses: licensesOf(license) }),
      ...(integrity === undefined ? {} : { hashes: [hashOf(integrity)] }),
      purl: ref,
    })
  }
}

/** Returns the URL of a package (https://github.com/package-url/purl-spec): `pkg:npm/%40fastify/swagger@9.9.3`. */
function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

/** An SPDX identifier has letters, digits, dots and hyphens. Anything else is an expression such as `MIT OR Apache-2.0`. */
function licensesOf(license: string): object[] {
  return /^[\w.-]+$/.test(license) ? [{ license: { id: license } }] : [{ expression: license }]
}

/** Returns the hash of the package's own tarball in the registry. */
function hashOf(integrity: string): object {
  const [algorithm = '', base64 = ''] = integrity.split('-')
  return { alg: algorithm.toUpperCase().replace('SHA', 'SHA-'), content: Buffer.from(base64, 'base64').toString('hex') }
}

/** Returns the packages that npm installs for users of Porthole, as paths of package-lock.json. */
function installedWith({ packages }: Lock): Set<string> {
  const found = new Set<string>()
  const waiting = ['']
  for (const path of waiting) {
    const { dependencies, optionalDependencies } = packages[path] ?? {}
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const place = placeOf(name, path)
      if (place === null || found.has(place)) continue
      found.add(place)
      waiting.push(place)
    }
  }
  return found

  /** Looks for a package as Node.js does: beside the code that needs it, then in each folder above. */
  function placeOf(name: string, from: string): string | null {
    const place = `${from === '' ? '' : `${from}/`}node_modules/${name}`
    if (place in packages) return place
    if (from === '') return null
    return placeOf(name, from.replace(/\/?node_modules\/(?:@[^/]+\/)?[^/]+$/, ''))
  }
}
