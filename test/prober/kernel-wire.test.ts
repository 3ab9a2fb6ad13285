import { enterNamespace } from '../namespace.ts'
import { makeKernel } from './make-kernel.ts'
import { wireContract } from './wire.ts'

const skip = await enterNamespace(import.meta.filename)

wireContract('kernel', skip, makeKernel, {
  'a firewall that answers "port unreachable"': 'rejected',
  'a firewall that answers "admin prohibited"': 'rejected',
})
