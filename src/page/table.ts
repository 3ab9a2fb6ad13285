import { html, type Markup } from './markup.ts'

/**
 * A table whose rows become cards where the screen is narrow. The roles say what it is also then, when no cell is displayed as one.
 * `part` names its body, if that is kept up to date row by row.
 */
export function table(label: string, columns: readonly string[], rows: readonly Markup[], part: string | null): Markup {
  return html`<div class="scroll cards" tabindex="0" role="region" aria-label="${label}"><table role="table">
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th scope="col" role="columnheader">${column}</th>`)}</tr></thead>
<tbody role="rowgroup"${part !== null && html` data-part="${part}" data-list`}>${rows}</tbody>
</table></div>`
}
