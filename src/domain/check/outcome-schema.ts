import { z } from 'zod'
import { answers, reasons } from './outcome.ts'

export const Reason = z.enum(reasons)
export const Answer = z.enum(answers)
