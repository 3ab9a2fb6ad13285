import { proberContract } from './contract.ts'
import { makeKernel } from './make-kernel.ts'

proberContract('kernel', makeKernel)
