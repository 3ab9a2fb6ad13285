import { html, type Markup } from './markup.ts'

/**
 * Renders a table whose rows become cards on a narrow screen. The explicit roles keep it a table for screen readers, because a card
 * displays its cells as blocks. `part` names the body where the page's script updates it row by row, else it is null.
 */
export function table(label: string, columns: readonly string[], rows: readonly Markup[], part: string | null): Markup {
  return html`<div class="scroll cards" tabindex="0" role="region" aria-label="${label}"><table role="table">
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th scope="col" role="columnheader">${column}</th>`)}</tr></thead>
<tbody role="rowgroup"${part !== null && html` data-part="${part}" data-list`}>${rows}</tbody>
</table></div>`
}
