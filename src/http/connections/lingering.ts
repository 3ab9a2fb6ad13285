import type { Socket } from 'node:net'

/** How long the peer of a closing connection may still send, in milliseconds, and how many of its bytes are read and discarded. */
export const lingering = { ms: 1000, bytes: 1024 * 1024 }

/**
 * Closes a connection whose client may still send (RFC 9112 §9.6). Closing it at once would reset it when more bytes arrive. A reset can
 * destroy an answer that the client has not read yet. So Porthole sends FIN first, and discards further bytes until the client closes or one
 * second is over. After 1 MiB it stops reading, because such a client sends without end.
 */
export function closeLingering(socket: Socket): void {
  let discarded = 0
  // The HTTP parser must see no further bytes, because no further request is answered.
  socket.removeAllListeners('data').removeAllListeners('end')
  socket.on('data', (bytes: Buffer) => {
    discarded += bytes.length
    if (discarded >= lingering.bytes) socket.pause()
  })
  socket.once('end', () => socket.destroy())
  const over = setTimeout(() => socket.destroy(), lingering.ms)
  socket.once('close', () => clearTimeout(over))
  socket.end()
  socket.resume()
}
