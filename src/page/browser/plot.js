// Draws the latency chart of a service's page.

/**
 * @typedef {{ target: string, at: number[], latencyMs: (number | null)[], verdicts: ('up' | 'down' | 'unknown')[], synRetransmits: number[] }} Checks
 */

const version = new URL(import.meta.url).search
/** @param {string} name */
const beside = (name) => new URL(`${name}${version}`, import.meta.url).href
const heightPx = 220

/**
 * Draws the chart, and redraws it when the checks, the colours or the width change.
 * @param {HTMLElement} place
 */
export async function drawPlot(place) {
  const { default: UPlot } = await import(beside('uplot.js'))
  const style = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: beside('uplot.css') })
  document.head.append(style)
  place.replaceChildren()
  /** @type {any} */
  let plot = null
  let drawn = ''
  let drawnForm = ''
  const isDark = matchMedia('(prefers-color-scheme: dark)')

  function draw() {
    // A refresh removed this element from the page.
    if (!place.isConnected) return document.removeEventListener('shown', draw)
    const written =
      /** @type {HTMLElement | null} */ (document.querySelector('[data-part="checks"]'))?.dataset.checks ?? '[]'
    const key = `${written}${isDark.matches}${place.clientWidth}`
    if (key === drawn || place.clientWidth === 0) return
    const checks = /** @type {Checks[]} */ (JSON.parse(written)).filter(({ at }) => at.length > 0)
    const form = JSON.stringify([checks.map(({ target }) => target), isDark.matches, place.clientWidth])
    const isSame = form === drawnForm
    drawnForm = form
    drawn = key
    if (checks.length === 0) {
      plot?.destroy()
      plot = null
      drawnForm = ''
      return
    }
    const data = UPlot.join(checks.map(({ at, latencyMs }) => [at, latencyMs]))
    marks = checks
    if (isSame) return plot.setData(data)
    plot?.destroy()
    plot = new UPlot(optionsOf(checks, place.clientWidth, UPlot), data, place)
  }

  draw()
  document.addEventListener('shown', draw)
  isDark.addEventListener('change', draw)
  new ResizeObserver(draw).observe(place)
}

/** The checks whose marks are drawn beside the lines. @type {Checks[]} */
let marks = []

/** @param {string} name */
const colour = (name) => {
  // A canvas does not understand light-dark(), so an element computes the colour.
  const probe = document.createElement('i')
  document.body.append(probe)
  probe.style.color = `var(--${name})`
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const lineColours = ['link', 'up', 'degraded', 'draining', 'quiet', 'text', 'unknown', 'down']
const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 2], [10, 4], [4, 4], [3, 6]]

/**
 * @param {Checks[]} checks
 * @param {number} width
 * @param {any} UPlot
 */
function optionsOf(checks, width, UPlot) {
  const axis = { stroke: colour('quiet'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } }
  return {
    width,
    height: heightPx,
    cursor: { drag: { x: false, y: false } },
    scales: {
      y: {
        range: (/** @type {any} */ _plot, /** @type {number} */ _min, /** @type {number} */ max) => [
          0,
          (max || 1) * 1.15,
        ],
      },
    },
    axes: [
      { ...axis, values: '{HH}:{mm}:{ss}', space: 80 },
      {
        ...axis,
        size: 64,
        values: (/** @type {any} */ _plot, /** @type {number[]} */ ticks) => ticks.map((tick) => `${tick} ms`),
      },
    ],
    series: [
      { label: 'At', value: '{HH}:{mm}:{ss}' },
      ...checks.map(({ target }, index) => ({
        label: target,
        stroke: colour(lineColours[index] ?? 'text'),
        dash: dashes[index],
        width: 1.5,
        points: { size: 4 },
        spanGaps: false,
        value: (/** @type {any} */ _plot, /** @type {number | null} */ value) =>
          value === null ? '–' : `${value.toPrecision(3)} ms`,
      })),
    ],
    hooks: { draw: [(/** @type {any} */ plot) => drawMarks(plot, UPlot.pxRatio)] },
  }
}

/**
 * Draws failed checks as crosses at the bottom, checks with the verdict unknown as rings, and second SYNs as triangles at the top. Each
 * mark has its own shape, because colour alone would not be enough.
 * @param {any} plot
 * @param {number} ratio
 */
function drawMarks(plot, ratio) {
  const { ctx, bbox } = plot
  const [down, lossy, unknown] = [colour('down'), colour('degraded'), colour('unknown')]
  ctx.save()
  for (const { at, verdicts, synRetransmits } of marks) {
    for (const [index, time] of at.entries()) {
      const x = plot.valToPos(time, 'x', true)
      if (verdicts[index] === 'down') {
        const [size, y] = [3.5 * ratio, bbox.top + bbox.height - 6 * ratio]
        ctx.strokeStyle = down
        ctx.lineWidth = 2 * ratio
        ctx.beginPath()
        ctx.moveTo(x - size, y - size)
        ctx.lineTo(x + size, y + size)
        ctx.moveTo(x + size, y - size)
        ctx.lineTo(x - size, y + size)
        ctx.stroke()
      } else if (verdicts[index] === 'unknown') {
        ctx.strokeStyle = unknown
        ctx.lineWidth = 1.5 * ratio
        ctx.beginPath()
        ctx.arc(x, bbox.top + bbox.height - 6 * ratio, 3 * ratio, 0, 2 * Math.PI)
        ctx.stroke()
      } else if ((synRetransmits[index] ?? 0) > 0) {
        const size = 5 * ratio
        ctx.fillStyle = lossy
        ctx.beginPath()
        ctx.moveTo(x, bbox.top)
        ctx.lineTo(x - size, bbox.top + 2 * size)
        ctx.lineTo(x + size, bbox.top + 2 * size)
        ctx.fill()
      }
    }
  }
  ctx.restore()
}
