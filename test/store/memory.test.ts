import { createMemoryStore } from '../../src/store/memory.ts'
import { testStore } from './contract.ts'

testStore('memory', async (_t, { retention, now }) => ({ store: createMemoryStore(retention, now) }))
