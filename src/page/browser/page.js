// Keeps an open page up to date: requests the page again and replaces the parts that changed. Without this script the page is a snapshot.

/** The URL of Porthole's root as the browser sees it, the folder above the folder of this module. */
const root = new URL('..', import.meta.url)
const page = document.documentElement

/** The interval of refreshes without an event, in milliseconds. A refresh brings ages, latencies and new services. */
const idleMs = 5000
/** The shorter interval of refreshes without an event stream, in milliseconds. Without events only a refresh shows a change. */
const pollMs = 2000
/** The interval of refreshes of a hidden tab, in milliseconds. A hidden tab still shows a title and an icon. */
const hiddenMs = 10_000
/**
 * A page younger than this many milliseconds is not reloaded for another version of Porthole. Otherwise the page would reload again and
 * again during an update, because answers come from replicas of both versions.
 */
const keptMs = 60_000
/** Events within this many milliseconds lead to one refresh. */
const gatherMs = 250
/** The deadline of a request, in milliseconds. */
const patienceMs = 10_000
/** A worker that does not answer within this many milliseconds is dead, and the page starts another. */
const workerMs = 10_000
/** A worker that fails to start is left alone for this many milliseconds. */
const brokenMs = 60_000

/** When the last answer came, by the browser's clock. `aheadMs` is how far the browser's clock is ahead of Porthole's. */
let freshAt = Date.now()
let aheadMs = Date.now() - Date.parse(page.dataset.now ?? '')
let isLost = false
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer
/** @type {AbortController | null} */
let asking = null
/** Whether an event came since the request under way began. */
let again = false

/* Content */

/**
 * Replaces the parts of this page with those of a fresh page. Elements outside of parts stay, such as a text that the reader is
 * typing and a list that the reader opened.
 * @param {Document} fresh
 */
function show(fresh) {
  const parts = (/** @type {ParentNode} */ where) => [
    .../** @type {NodeListOf<HTMLElement>} */ (where.querySelectorAll('[data-part]')),
  ]
  const names = (/** @type {ParentNode} */ where) =>
    parts(where)
      .map((part) => part.dataset.part)
      .join()
  const focused = placeOfFocus()
  if (names(fresh) === names(document)) {
    const after = parts(fresh)
    for (const [index, part] of parts(document).entries()) replace(part, /** @type {HTMLElement} */ (after[index]))
  } else {
    // The page has other parts than before, for example because it has its first group now, or lost its last service.
    const typing = document.activeElement
    const filters = document.getElementById('filters')
    main().replaceChildren(...(fresh.querySelector('main')?.childNodes ?? []))
    // The reader may be typing in the form.
    if (filters !== null) document.getElementById('filters')?.replaceWith(filters)
    if (typing instanceof HTMLElement && filters?.contains(typing)) typing.focus({ preventScroll: true })
  }
  if (focused !== null && document.activeElement === document.body) {
    const link = document.querySelector(focused)
    if (link instanceof HTMLElement) link.focus({ preventScroll: true })
  }
  document.title = fresh.title
  const { status = '', events } = fresh.documentElement.dataset
  page.dataset.status = status
  if (events !== page.dataset.events) {
    if (events === undefined) delete page.dataset.events
    else page.dataset.events = events
    subscribe()
  }
  const [icon, freshIcon] = [document, fresh].map((where) => where.querySelector('link[rel=icon]'))
  const href = freshIcon?.getAttribute('href') ?? ''
  if (icon?.getAttribute('href') !== href) icon?.setAttribute('href', href)
  document.dispatchEvent(new Event('shown'))
}

/** The HTML of an element as Porthole sent it. The element itself differs later, because its ages grow. @type {WeakMap<Element, string>} */
const sources = new WeakMap()

const main = () => /** @type {HTMLElement} */ (document.querySelector('main'))

/**
 * @param {HTMLElement} part
 * @param {HTMLElement} fresh
 */
function replace(part, fresh) {
  const source = fresh.outerHTML
  if ((sources.get(part) ?? part.outerHTML) === source) return
  sources.set(part, source)
  for (const { name, value } of fresh.attributes) part.setAttribute(name, value)
  if ('list' in part.dataset) replaceItems(part, fresh)
  else part.replaceChildren(...fresh.childNodes)
}

/**
 * Updates a list. Items that stay keep their elements, so that nothing flickers and the focus stays.
 * @param {HTMLElement} list
 * @param {HTMLElement} fresh
 */
function replaceItems(list, fresh) {
  const items = /** @type {HTMLElement[]} */ ([...list.children])
  const known = new Map(items.map((item) => [item.dataset.key, item]))
  /** @type {Element | null} */
  let place = list.firstElementChild
  for (const item of /** @type {HTMLElement[]} */ ([...fresh.children])) {
    const kept = known.get(item.dataset.key)
    known.delete(item.dataset.key)
    if (kept !== undefined) replace(kept, item)
    if (kept !== undefined && kept === place) place = kept.nextElementSibling
    else list.insertBefore(kept ?? item, place)
  }
  for (const gone of known.values()) gone.remove()
}

/** Returns a selector for the focused link in a list, from the keys of its list and its item; null where the focus is elsewhere. */
function placeOfFocus() {
  const item = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest('[data-key]'))
  const part = /** @type {HTMLElement | null | undefined} */ (item?.closest('[data-part]'))
  if (item?.dataset.key === undefined || part?.dataset.part === undefined) return null
  return `[data-part="${part.dataset.part}"] > [data-key="${CSS.escape(item.dataset.key)}"] a`
}

/* Refreshes */

/** Requests the page again, by its present address. Aborts a request that is under way, because that may be for another address. */
async function refresh() {
  clearTimeout(timer)
  asking?.abort()
  again = false
  const request = new AbortController()
  asking = request
  const { href } = location
  try {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(patienceMs)])
    const response = await fetch(href, { signal, headers: { accept: 'text/html' }, cache: 'no-store' })
    // Porthole answers 404 for a service that is gone and 503 for one that is not known yet. Either is a page to show. Other errors may come
    // from a proxy that cannot reach Porthole.
    if (!response.ok && response.status !== 404 && response.status !== 503) throw new Error(`HTTP ${response.status}`)
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
    const { now, assets } = fresh.documentElement.dataset
    if (now === undefined) throw new Error('this is not a page of Porthole')
    if (request.signal.aborted) return
    // Another version of Porthole answered, and this script does not fit its pages.
    if (assets !== page.dataset.assets && performance.now() > keptMs) return location.reload()
    freshAt = Date.now()
    aheadMs = freshAt - Date.parse(now)
    setLost(false)
    // Without events, a changed title is the only sign of a change.
    if (!hasStream && fresh.title !== document.title.replace(lostTitle, '')) announce(fresh.title)
    show(fresh)
  } catch {
    if (request.signal.aborted) return
    setLost(true)
  } finally {
    if (asking === request) {
      asking = null
      if (again) refreshIn(0)
      else timer = setTimeout(refresh, waitMs())
      subscribe()
    }
    showAges()
  }
}

/** Returns how long to wait before the next refresh, in milliseconds. */
function waitMs() {
  if (isLost) return pollMs
  if (document.hidden) return hiddenMs
  return hasStream ? idleMs : pollMs
}

/**
 * Refreshes the page because of an event. Waits for a request that is under way. Otherwise events that come faster than answers would
 * abort every request, and the page would never change.
 */
function catchUp() {
  if (asking === null) void refresh()
  else again = true
}

/** @param {number} ms */
function refreshIn(ms) {
  clearTimeout(timer)
  timer = setTimeout(catchUp, ms)
}

/** @param {boolean} lost */
function setLost(lost) {
  if (isLost === lost) return
  isLost = lost
  page.classList.toggle('lost', lost)
  announce(lost ? 'The connection is lost.' : 'The connection is back.')
}

/**
 * Holds one event stream for all windows of this browser; stream.js says why. Chrome on Android and older browsers have no shared
 * workers. A page without a worker gets no events, and refreshes more often instead.
 * @type {SharedWorker | null}
 */
let worker = null
/** Whether the worker was asked for events. */
let isSubscribed = false
/** Whether the worker says that the stream is open. */
let hasStream = false
/** When the first unanswered message was sent to the worker, by `performance.now()`. @type {number | null} */
let unansweredSince = null
/** When a worker last failed to start, by `performance.now()`. @type {number | null} */
let brokenAt = null

/** Asks the worker for events. A page asks after each answer, so that the worker knows that the page is alive. A hidden page asks for none. */
function subscribe(isHidden = document.hidden) {
  // A page without details gets no events.
  const query = isHidden ? null : (page.dataset.events ?? null)
  if (query === null) {
    if (isSubscribed) worker?.port.postMessage({ query })
    isSubscribed = false
    hasStream = false
    unansweredSince = null
    return
  }
  if (unansweredSince !== null && performance.now() - unansweredSince > workerMs) dropWorker()
  if (worker === null) startWorker()
  if (worker === null) return
  worker.port.postMessage({ query })
  isSubscribed = true
  unansweredSince ??= performance.now()
}

function startWorker() {
  if (typeof SharedWorker === 'undefined') return
  if (brokenAt !== null && performance.now() - brokenAt < brokenMs) return
  try {
    const ownWorker = new SharedWorker(new URL(`page/stream.js${new URL(import.meta.url).search}`, root))
    ownWorker.addEventListener('error', () => ownWorker === worker && stopUsingWorker())
    ownWorker.port.addEventListener(
      'message',
      ({ data }) => ownWorker === worker && isSubscribed && receiveMessage(data),
    )
    ownWorker.port.start()
    worker = ownWorker
  } catch {
    stopUsingWorker()
  }
}

/** Does without the worker for a while, because it does not work in this browser. */
function stopUsingWorker() {
  brokenAt = performance.now()
  dropWorker()
}

function dropWorker() {
  worker?.port.close()
  worker = null
  isSubscribed = false
  hasStream = false
  unansweredSince = null
}

/** @param {{ type: 'state', isOpen: boolean } | { type: 'registry' | 'reset' } | { type: 'transition', transition: any }} message */
function receiveMessage(message) {
  if (message.type === 'state') {
    unansweredSince = null
    // The stream has no events from before it opened. If it broke, Porthole may be gone.
    if (message.isOpen !== hasStream) refreshIn(0)
    hasStream = message.isOpen
  } else if (message.type === 'transition') {
    const { service, target, to, message: sentence } = message.transition
    collectNews(target === null ? `${service} is ${to}: ${sentence}` : undefined)
  } else {
    collectNews()
  }
}

/** Sentences that are not announced yet. @type {string[]} */
const news = []
/** @type {ReturnType<typeof setTimeout> | undefined} */
let gathering

/**
 * Collects events for one announcement and one refresh.
 * @param {string} [sentence]
 */
function collectNews(sentence) {
  if (sentence !== undefined) news.push(sentence)
  if (gathering !== undefined) return
  gathering = setTimeout(() => {
    gathering = undefined
    if (news.length > 0) announce(news.length > 3 ? `${news.length} services changed.` : news.join('. '))
    news.length = 0
    catchUp()
  }, gatherMs)
}

/**
 * Announces a text to screen readers.
 * @param {string} text
 */
function announce(text) {
  const region = document.getElementById('news')
  if (region !== null) region.textContent = text
}

/* Ages */

const lostTitle = /^(Connection lost · )?/

const units = /** @type {const} */ ([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
])

/** @param {number} ms */
function formatAge(ms) {
  const [unit, unitMs] = units.find(([, unitMs]) => ms >= unitMs) ?? ['s', 1000]
  return `${Math.floor(ms / unitMs)} ${unit}`
}

/** Updates the ages on the page and the state of the connection. */
function showAges() {
  const now = Date.now() - aheadMs
  for (const time of document.querySelectorAll('time[data-age]')) {
    const age = formatAge(Math.max(0, now - Date.parse(time.getAttribute('datetime') ?? '')))
    const text = /** @type {HTMLElement} */ (time).dataset.age === 'for' ? `for ${age}` : `${age} ago`
    if (time.textContent !== text) time.textContent = text
  }
  const live = document.getElementById('live')
  if (live !== null) {
    live.hidden = false
    live.dataset.live = isLost ? 'no' : 'yes'
    live.textContent = isLost ? 'Connection lost' : 'Live'
  }
  const lost = document.getElementById('lost')
  if (lost !== null) {
    lost.hidden = !isLost
    if (isLost)
      lost.textContent = `The connection is lost. This page is ${formatAge(Date.now() - freshAt)} old. Trying again…`
  }
  if (isLost) document.title = document.title.replace(lostTitle, 'Connection lost · ')
}

/* Search, filters and keys */

const search = () => /** @type {HTMLInputElement | null} */ (document.querySelector('input[type=search]'))

/** Returns the query: the values of the form, and the groups in the address, which the reader chooses by links. */
function asked() {
  const wanted = new URLSearchParams()
  const form = document.getElementById('filters')
  for (const name of ['q', 'status'])
    for (const value of form instanceof HTMLFormElement ? new FormData(form).getAll(name) : [])
      if (value !== '') wanted.append(name, String(value))
  for (const group of new URLSearchParams(location.search).getAll('group')) wanted.append('group', group)
  return wanted
}

/**
 * Writes a query into the address, and refreshes the page.
 * @param {URLSearchParams} wanted
 */
function ask(wanted) {
  history.replaceState(null, '', wanted.size === 0 ? location.pathname : `?${wanted}`)
  void refresh()
}

document.addEventListener('input', ({ target }) => {
  if (target instanceof HTMLInputElement && target.form?.id === 'filters') ask(asked())
})
document.addEventListener('submit', (event) => {
  event.preventDefault()
  ask(asked())
})
document.addEventListener('click', (event) => {
  const { target, metaKey, ctrlKey, shiftKey, button } = event
  const link = target instanceof Element ? target.closest('a[data-filter], a[data-more]') : null
  if (!(link instanceof HTMLAnchorElement) || metaKey || ctrlKey || shiftKey || button !== 0) return
  event.preventDefault()
  // The link's own address lacks text that was typed since, so the query is taken from the form.
  const wanted = asked()
  const group = /** @type {HTMLElement | null} */ (link.closest('[data-key]'))?.dataset.key
  if ('more' in link.dataset) wanted.set('show', new URL(link.href).searchParams.get('show') ?? '')
  else if (group !== undefined && wanted.has('group', group)) wanted.delete('group', group)
  else if (group !== undefined) wanted.append('group', group)
  ask(wanted)
})

/** Returns the links of the services, which the arrow keys move through. */
const links = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.services .name a')])

document.addEventListener('keydown', (event) => {
  const { key, target, metaKey, ctrlKey, altKey, isComposing } = event
  const field = search()
  if (field === null || metaKey || ctrlKey || altKey || isComposing) return
  const isTyping = target instanceof HTMLInputElement && target.type === 'search'
  if (key === '/' && !isTyping) {
    event.preventDefault()
    field.select()
  } else if (key === 'Escape' && isTyping) {
    field.value = ''
    field.blur()
    ask(asked())
  } else if (['ArrowDown', 'ArrowUp'].includes(key) || (!isTyping && ['j', 'k'].includes(key))) {
    move(['ArrowDown', 'j'].includes(key) ? 1 : -1, event)
  }
})

/**
 * Moves the focus to the next or the previous service, also from the search field.
 * @param {1 | -1} by
 * @param {KeyboardEvent} event
 */
function move(by, event) {
  const all = links()
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement))
  const inList = at >= 0
  if (!inList && document.activeElement !== search() && event.key.startsWith('Arrow')) return
  const next = inList ? at + by : by === 1 ? 0 : -1
  const to = next < 0 && inList ? search() : all[next]
  if (to === undefined || to === null) return
  event.preventDefault()
  to.focus()
}

/* Snippets */

/** Adds a button to each snippet, and draws the chart. Called again for elements that a refresh added. */
async function addControls() {
  for (const box of document.querySelectorAll('.copy:not(:has(button))')) addButton(box)
  const plot = document.querySelector('#plot:not([data-drawn])')
  if (!(plot instanceof HTMLElement)) return
  plot.dataset.drawn = ''
  try {
    const { drawPlot } = await import(new URL(`plot.js${new URL(import.meta.url).search}`, import.meta.url).href)
    await drawPlot(plot)
  } catch {
    // The script could not be loaded. The next refresh tries again.
    delete plot.dataset.drawn
  }
}

/** @param {Element} box */
function addButton(box) {
  const code = /** @type {HTMLElement} */ (box.querySelector('code'))
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Copy'
  button.setAttribute('aria-label', `Copy: ${box.querySelector('h3')?.textContent}`)
  button.addEventListener('click', async () => {
    await copy(code)
    button.textContent = 'Copied'
    setTimeout(() => {
      button.textContent = 'Copy'
    }, 2000)
  })
  box.append(button)
  // Porthole may not know the address of its proxy, but the browser does. Only the first match is replaced, because the name of a
  // service may contain the address too.
  const { origin } = /** @type {HTMLElement} */ (box).dataset
  const line = code.textContent ?? ''
  const [before = '', after = ''] = line.split(`'${origin}`, 2)
  if (origin !== undefined && line.includes(`'${origin}`))
    code.textContent = `${before}'${root.href.replaceAll("'", '%27')}${after}`
}

/**
 * Copies a snippet. Over plain http there is no `navigator.clipboard`, so the text is selected and copied by a command.
 * @param {HTMLElement} code
 */
async function copy(code) {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(code.textContent ?? '')
  getSelection()?.selectAllChildren(code)
  document.execCommand('copy')
}

/* Start */

page.classList.add('alive')
document.addEventListener('shown', addControls)
document.addEventListener('visibilitychange', () => {
  subscribe()
  refreshIn(document.hidden ? hiddenMs : 0)
})
addEventListener('pagehide', () => subscribe(true))
addEventListener('pageshow', ({ persisted }) => persisted && refreshIn(0))
addEventListener('popstate', () => refreshIn(0))
addEventListener('online', () => refreshIn(0))
void addControls()
setInterval(showAges, 1000)
showAges()
subscribe()
refreshIn(idleMs)
