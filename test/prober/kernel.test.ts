import { proberContract } from './contract.ts'
import { makeKernel, makeKernelOnThisThread } from './make-kernel.ts'

proberContract('kernel', makeKernel)
proberContract('kernel on the calling thread', makeKernelOnThisThread)
