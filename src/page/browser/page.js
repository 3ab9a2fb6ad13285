// Keeps an open page up to date: it asks for the page anew, and puts in place what changed. Without it the page is a snapshot.

/** Where Porthole begins, as the browser sees it: this module lies in a folder of it. */
const root = new URL('..', import.meta.url)
const page = document.documentElement

/** While nothing happens the page is asked for this often, in milliseconds: ages, latencies and new services. */
const idleMs = 5000
/** Without an event stream, what happens shows only once the page is asked for again. */
const unheardMs = 2000
/** A tab that nobody sees still has a title and an icon. */
const hiddenMs = 10_000
/** So long a page is kept when Porthole is another version by now: while replicas are replaced, answers come from either. */
const keptMs = 60_000
/** What happens within so many milliseconds is shown together. */
const gatherMs = 250
/** An answer that is not there by then is not coming. */
const patienceMs = 10_000
/** A worker that does not answer within this many milliseconds is dead, and the page starts another. */
const workerMs = 10_000
/** A worker that fails to start is left alone for this many milliseconds. */
const brokenMs = 60_000

/** When the last answer came, in the browser's time; and how far the browser's time is ahead of Porthole's. */
let freshAt = Date.now()
let aheadMs = Date.now() - Date.parse(page.dataset.now ?? '')
let isLost = false
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer
/** @type {AbortController | null} */
let asking = null
/** Something happened since it was asked. */
let again = false

/* What is shown */

/**
 * Puts what a fresh page says in the place of what this one says, part by part. Whatever is not in a part stays: what is being
 * typed, and what is opened.
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
    // What there is on the page is another: a first group, the last service.
    const typing = document.activeElement
    const filters = document.getElementById('filters')
    main().replaceChildren(...(fresh.querySelector('main')?.childNodes ?? []))
    // Somebody may be typing in there.
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

/** What an element was made from, as it was written: by now it may have grown older. @type {WeakMap<Element, string>} */
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
 * Items that stay keep their elements, so that nothing flickers and nothing loses its place.
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

/** Where the focus is, as a selector: in which item of which list. */
function placeOfFocus() {
  const item = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest('[data-key]'))
  const part = /** @type {HTMLElement | null | undefined} */ (item?.closest('[data-part]'))
  if (item?.dataset.key === undefined || part?.dataset.part === undefined) return null
  return `[data-part="${part.dataset.part}"] > [data-key="${CSS.escape(item.dataset.key)}"] a`
}

/* How it is kept up to date */

/** Asks for the page anew, by its address of now. What is being asked already is not waited for: it may be for another address. */
async function refresh() {
  clearTimeout(timer)
  asking?.abort()
  again = false
  const mine = new AbortController()
  asking = mine
  const { href } = location
  try {
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(patienceMs)])
    const response = await fetch(href, { signal, headers: { accept: 'text/html' }, cache: 'no-store' })
    // A service that is gone or not known yet is an answer as well; one of a proxy that cannot reach Porthole is no page of Porthole.
    if (!response.ok && response.status !== 404 && response.status !== 503) throw new Error(`HTTP ${response.status}`)
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
    const { now, assets } = fresh.documentElement.dataset
    if (now === undefined) throw new Error('this is not a page of Porthole')
    if (mine.signal.aborted) return
    // Porthole was replaced by another version, whose pages this module does not go with.
    if (assets !== page.dataset.assets && performance.now() > keptMs) return location.reload()
    freshAt = Date.now()
    aheadMs = freshAt - Date.parse(now)
    setLost(false)
    // Without events the title is what tells that something changed.
    if (!hasStream && fresh.title !== document.title.replace(lostTitle, '')) announce(fresh.title)
    show(fresh)
  } catch {
    if (mine.signal.aborted) return
    setLost(true)
  } finally {
    if (asking === mine) {
      asking = null
      if (again) refreshIn(0)
      else timer = setTimeout(refresh, waitMs())
      subscribe()
    }
    tell()
  }
}

/** Returns how long to wait before the page is asked for again, in milliseconds. */
function waitMs() {
  if (isLost) return unheardMs
  if (document.hidden) return hiddenMs
  return hasStream ? idleMs : unheardMs
}

/**
 * Asks for the page anew because of what happened. What is being asked is waited for: else nothing would ever be shown where more
 * happens than there are answers.
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
 * workers. A page without a worker hears nothing, and asks more often instead.
 * @type {SharedWorker | null}
 */
let worker = null
/** Whether the worker was asked for events. */
let isSubscribed = false
/** Whether the worker says that the stream is open. */
let hasStream = false
/** Since when the worker owes an answer, by `performance.now()`. @type {number | null} */
let unansweredSince = null
/** When a worker last failed to start, by `performance.now()`. @type {number | null} */
let brokenAt = null

/** Asks the worker for events. A page does so after each answer, so that the worker knows that it is there. A hidden page asks for none. */
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
    const mine = new SharedWorker(new URL(`page/stream.js${new URL(import.meta.url).search}`, root))
    mine.addEventListener('error', () => mine === worker && breakWorker())
    mine.port.addEventListener('message', ({ data }) => mine === worker && isSubscribed && receiveMessage(data))
    mine.port.start()
    worker = mine
  } catch {
    breakWorker()
  }
}

function breakWorker() {
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
    // What happened before the stream opened is not in it. Where it broke, Porthole may be gone.
    if (message.isOpen !== hasStream) refreshIn(0)
    hasStream = message.isOpen
  } else if (message.type === 'transition') {
    const { service, target, to, message: sentence } = message.transition
    happened(target === null ? `${service} is ${to}: ${sentence}` : undefined)
  } else {
    happened()
  }
}

/** What happened and was not told yet. @type {string[]} */
const news = []
/** @type {ReturnType<typeof setTimeout> | undefined} */
let gathering

/** @param {string} [told] */
function happened(told) {
  if (told !== undefined) news.push(told)
  if (gathering !== undefined) return
  gathering = setTimeout(() => {
    gathering = undefined
    if (news.length > 0) announce(news.length > 3 ? `${news.length} services changed.` : news.join('. '))
    news.length = 0
    catchUp()
  }, gatherMs)
}

/**
 * Says something to those who hear the page.
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

/** Lets what is on the page grow older, and says how old it is. */
function tell() {
  const now = Date.now() - aheadMs
  for (const time of document.querySelectorAll('time[data-age]')) {
    const age = formatAge(Math.max(0, now - Date.parse(time.getAttribute('datetime') ?? '')))
    const told = /** @type {HTMLElement} */ (time).dataset.age === 'for' ? `for ${age}` : `${age} ago`
    if (time.textContent !== told) time.textContent = told
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
      lost.textContent = `The connection is lost: this is how it stood ${formatAge(Date.now() - freshAt)} ago. Trying again…`
  }
  if (isLost) document.title = document.title.replace(lostTitle, 'Connection lost · ')
}

/* Search, filters and keys */

const search = () => /** @type {HTMLInputElement | null} */ (document.querySelector('input[type=search]'))

/** What is asked: what stands in the form, and the groups in the address, which are chosen by links. */
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
 * Writes it into the address, and shows what comes of it.
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
  // Where the link leads was written before what was typed since.
  const wanted = asked()
  const group = /** @type {HTMLElement | null} */ (link.closest('[data-key]'))?.dataset.key
  if ('more' in link.dataset) wanted.set('show', new URL(link.href).searchParams.get('show') ?? '')
  else if (group !== undefined && wanted.has('group', group)) wanted.delete('group', group)
  else if (group !== undefined) wanted.append('group', group)
  ask(wanted)
})

/** The services on the page, as what the arrows go through. */
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
 * Goes to the next service or the one before, from the search as well.
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

/* What can be copied */

/** Gives what can be copied a button, and draws the chart: on this page, and on what is put in its place. */
async function equip() {
  for (const box of document.querySelectorAll('.copy:not(:has(button))')) addButton(box)
  const plot = document.querySelector('#plot:not([data-drawn])')
  if (!(plot instanceof HTMLElement)) return
  plot.dataset.drawn = ''
  try {
    const { drawPlot } = await import(new URL(`plot.js${new URL(import.meta.url).search}`, import.meta.url).href)
    await drawPlot(plot)
  } catch {
    // It could not be loaded: the next time that something is shown it is tried again.
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
  // Porthole may not know where its proxy is; the browser does. A name is left alone: it may be called like an address.
  const { origin } = /** @type {HTMLElement} */ (box).dataset
  const line = code.textContent ?? ''
  const [before = '', after = ''] = line.split(`'${origin}`, 2)
  if (origin !== undefined && line.includes(`'${origin}`))
    code.textContent = `${before}'${root.href.replaceAll("'", '%27')}${after}`
}

/**
 * Over plain http browsers keep the clipboard to themselves, but for what is selected.
 * @param {HTMLElement} code
 */
async function copy(code) {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(code.textContent ?? '')
  getSelection()?.selectAllChildren(code)
  document.execCommand('copy')
}

/* Beginning */

page.classList.add('alive')
document.addEventListener('shown', equip)
document.addEventListener('visibilitychange', () => {
  subscribe()
  refreshIn(document.hidden ? hiddenMs : 0)
})
addEventListener('pagehide', () => subscribe(true))
addEventListener('pageshow', ({ persisted }) => persisted && refreshIn(0))
addEventListener('popstate', () => refreshIn(0))
addEventListener('online', () => refreshIn(0))
void equip()
setInterval(tell, 1000)
tell()
subscribe()
refreshIn(idleMs)
