// Holds one event stream for all windows of a browser, as a shared worker. Over HTTP/1.1 a browser opens at most six connections
// to an origin. A stream for each window would take all of them, and requests of pages would fail.

/** The URL of the event stream, relative to the folder of this script. Windows under another path have a worker of their own. */
const address = new URL('../v1/events', location.href)
/** The worker opens a refused stream again after this many milliseconds at the earliest. */
const refusedMs = 5000
/** Windows speak every few seconds. A window that was silent for this many milliseconds has crashed. */
const crashedAfterMs = 60_000
const sweepMs = 10_000

/**
 * The windows that listen. `service` is the service that a window shows, and null where it shows all.
 * @type {Map<MessagePort, { service: string | null, heardAt: number }>}
 */
const windows = new Map()
/** @type {EventSource | null} */
let source = null
let openedAt = 0
let sweptAt = Date.now()

/** Closes the present stream, and opens another. After a lost connection the browser reopens a stream itself, with `Last-Event-ID`. */
function openStream() {
  source?.close()
  source = new EventSource(address)
  openedAt = Date.now()
  for (const type of ['open', 'error']) source.addEventListener(type, () => sendToWindows(state()))
  for (const type of ['registry', 'reset']) source.addEventListener(type, () => sendToWindows({ type }))
  source.addEventListener('transition', ({ data }) => {
    const transition = JSON.parse(data)
    sendToWindows({ type: 'transition', transition }, transition.service)
  })
}

/** Opens the stream if a window listens, and closes it if none does. */
function updateStream() {
  if (windows.size === 0) {
    source?.close()
    source = null
    return
  }
  // The browser does not retry a stream that the server or a proxy refused.
  const isRefused = source?.readyState === EventSource.CLOSED && Date.now() - openedAt >= refusedMs
  if (source === null || isRefused) openStream()
}

const state = () => ({ type: 'state', isOpen: source?.readyState === EventSource.OPEN })

/**
 * Sends a message to all windows, or to those that show `service`.
 * @param {object} message
 * @param {string} [service]
 */
function sendToWindows(message, service) {
  for (const [port, shown] of windows) {
    if (service === undefined || shown.service === null || shown.service === service) port.postMessage(message)
  }
}

/**
 * Receives the message of a window: the query of `/v1/events` for its services, or null where the window is hidden or about to close.
 * Answers a window that listens, so that the window knows that this worker is alive.
 * @param {MessagePort} port
 * @param {string | null} query
 */
function receiveMessage(port, query) {
  if (query === null) windows.delete(port)
  else windows.set(port, { service: new URLSearchParams(query).get('service'), heardAt: Date.now() })
  updateStream()
  if (query !== null) port.postMessage(state())
}

/** Forgets windows that crashed. Opens the stream again after the machine slept, because its connection may be dead. */
function sweep() {
  const now = Date.now()
  const hasSlept = now - sweptAt > 3 * sweepMs
  sweptAt = now
  for (const [port, { heardAt }] of windows) if (now - heardAt > crashedAfterMs) windows.delete(port)
  updateStream()
  if (hasSlept && source !== null) openStream()
}

addEventListener('connect', (event) => {
  const [port] = /** @type {MessageEvent} */ (event).ports
  port?.addEventListener('message', ({ data }) => receiveMessage(port, data.query))
  port?.start()
})
setInterval(sweep, sweepMs)
