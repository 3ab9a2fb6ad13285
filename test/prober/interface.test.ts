import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { withInterface } from '../../src/prober/interface.ts'

const loopback = { netmask: '', mac: '', internal: true, cidr: null }
const interfaces = (): NodeJS.Dict<NetworkInterfaceInfo[]> => ({
  lo: [{ ...loopback, family: 'IPv4', address: '127.0.0.1' }],
  eth0: [
    { ...loopback, family: 'IPv4', address: '10.0.0.1' },
    { ...loopback, family: 'IPv6', address: 'fe80::1', scopeid: 2 },
  ],
})

const rows: readonly [ip: string, dialled: string | { readonly code: string }][] = [
  ['10.0.0.7', '10.0.0.7'],
  ['fd00::7', 'fd00::7'],
  ['fd00::7%nosuch', 'fd00::7%nosuch'],
  ['fe80::7%eth0', 'fe80::7%eth0'],
  ['fe80::7%2', process.platform === 'win32' ? 'fe80::7%2' : 'fe80::7%eth0'],
  ['fe80::7', { code: 'EINVAL' }],
  ['FEBF::7', { code: 'EINVAL' }],
  ['fe80::7%3', { code: 'ENODEV' }],
  ['fe80::7%eth1', { code: 'ENODEV' }],
]

for (const [ip, dialled] of rows) {
  test(`${ip}: ${typeof dialled === 'string' ? `dialled as ${dialled}` : dialled.code}`, () => {
    assert.deepEqual(withInterface(ip, interfaces), dialled)
  })
}
