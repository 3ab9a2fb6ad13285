import type { Socket } from 'node:net'

/** How long a connection that is closed may still send, in milliseconds, and how many bytes of that are read and thrown away. */
export const lingering = { ms: 1000, bytes: 1024 * 1024 }

/**
 * Closes a connection on which more may come than is read (RFC 9112 §9.6). To close it at once would reset it as soon as more comes, and a
 * reset can take the answer from a client that has not read it yet. So the end of the answers is sent first. What still comes is thrown
 * away, until the client closes, or a second is over. After 1 MiB nothing more is read, because the client sends without end.
 */
export function closeLingering(socket: Socket): void {
  let discarded = 0
  // HTTP must see none of it: no further request is answered.
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
