/** A time when Porthole was not running, so that nobody looked. Instants in milliseconds; in a store, milliseconds since the epoch. */
export type Absence = { readonly from: number; readonly to: number }
