import { enterNamespace } from '../support/namespace.ts'
import { makeKernel } from './make-kernel.ts'
import { wireContract } from './wire.ts'

const skip = await enterNamespace(import.meta.filename)

wireContract('kernel', skip, makeKernel, {
  'a firewall that answers "port unreachable"': { reason: 'rejected' },
  'a firewall that answers "admin prohibited"': { reason: 'rejected' },
  'our own firewall that drops, when there is time for a second SYN': { reason: 'local', code: 'EPERM' },
  'our own firewall that answers "port unreachable"': { reason: 'local' },
  'our own firewall that answers "admin prohibited"': { reason: 'local' },
})
