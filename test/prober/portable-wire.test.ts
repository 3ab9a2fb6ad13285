import { createPortableProber } from '../../src/prober/portable.ts'
import { enterNamespace } from '../support/namespace.ts'
import { wireContract } from './wire.ts'

const skip = await enterNamespace(import.meta.filename)

wireContract('portable', skip, ({ clock }) => createPortableProber({ clock }), {
  'a link-local address with an interface that does not exist': { code: 'ENODEV' },
})
