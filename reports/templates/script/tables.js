// Tables from their data (reports/tables/page_table.py). Sorting, filtering and long tables render the rows again.
// The kind choice (a button) is that of script/error_analysis.js.
const HEADING = { text: "text", method: "text", badge: "text", sources: "text", link: "text", choice: "text" };
const CELL = HEADING;
const FORMATS = ["CSV", "LaTeX", "Markdown"];
const tablesById = new Map();  // id to {table, methods, order, pressed, whole, sorted}
const kindOf = (column) => column[1] || "number";
const parts5 = (cell) => Array.isArray(cell) ? cell : [cell];
const methodCell = (method) => {
  const badges = method.badges.map(([cls, text, tip]) => `<span class="label ${cls}" title="${escaped(tip)}">${escaped(text)}</span>`).join("");
  const label = method.label ? `<span class="label">${escaped(method.label)}</span>` : "";
  const family = method.family ? `<span class="family">${escaped(method.family)}</span>` : "";
  return `<a class="method" href="#${escaped(method.address)}" title="${escaped(method.name)}"><span>${escaped(method.title)}</span></a>${label}${family}${badges}`;
};
// The content of a cell: text, small line, tooltip, classes and what it is sorted by, all finished in Python.
const contentOf = (value, small, kind, methods) => {
  if (value === null || value === undefined) return "–";
  switch (kind) {
    case "method": return methodCell(methods[value]);
    case "badge": return `<b class="badge b-${escaped(value.replaceAll(" ", "-"))}">${escaped(value)}</b>`;
    case "link": case "linked": return `<a href="#${escaped(small)}">${escaped(value)}</a>`;
    case "choice": return `<button type="button" class="plain" data-choice="${small}">${escaped(value)}</button>`;
    case "sources": return value.map((number) => `<a href="#source-${number}">[${number}]</a>`).join(" ");
    case "pm": return `<span class="mean">${escaped(value)}</span>` + (small ? `<span class="pm">${escaped(small)}</span>` : "");
    default: return escaped(value);
  }
};
const SMALL_LINES = ["number", "text", "method", "badge", "sources"];  // kinds whose second item is a small line
const cellHtml = (cell, kind, title, methods, isHead) => {
  const [value, small, tip, classes] = parts5(cell);
  const cls = [CELL[kind] || "num", classes || ""].filter(Boolean).join(" ");
  const tag = isHead ? "th" : "td";
  const below = small && SMALL_LINES.includes(kind) ? `<span class="need">${escaped(small)}</span>` : "";
  const head = isHead ? ' scope="row"' : ` data-head="${escaped(title)}"`;
  return `<${tag}${head} class="${cls}"${tip ? ` title="${escaped(tip)}"` : ""}>${contentOf(value, small, kind, methods)}${below}</${tag}>`;
};
const rowHtml = (table, index, methods) => {
  const kinds = table.columns.map(kindOf);
  const head = Math.max(0, kinds.indexOf("method"));
  return `<tr>${table.rows[index].map((cell, at) => cellHtml(cell, kinds[at], table.columns[at][0], methods, at === head)).join("")}</tr>`;
};
const tableTools = (table) => {
  let chips = "";
  if (table.filters) {
    const counts = new Map();
    table.filters.forEach((text) => counts.set(text, (counts.get(text) || 0) + 1));
    const name = escaped(table.filterName);
    chips = `<div class="chips" role="group" aria-label="Filter by ${name}"><span>${name}:</span>` + Array.from(counts, ([text, n]) =>
      `<button type="button" class="chip" aria-pressed="false" data-filter="${escaped(text)}" title="${counted(n, "row")}">${escaped(text)}</button>`).join("") + "</div>";
  }
  const formats = FORMATS.concat(table.copies ? ["BibTeX"] : []).map((name) => `<button type="button" class="chip" data-format="${name}">${name}</button>`).join("");
  return `<div class="table-tools needs-script">${chips}<div class="copies" role="group" aria-label="Copy the table"><span>Copy:</span>${formats}<span role="status"></span></div></div>`;
};
const tableHtml = (table, methods) => {
  const caption = table.caption ? `<caption><span>${table.caption}</span></caption>` : "";
  const head = table.columns.map(([title, kind, hint, classes]) =>
    `<th scope="col" class="${[HEADING[kind] || "num", classes || ""].filter(Boolean).join(" ")}"${hint ? ` title="${escaped(hint)}"` : ""}><span class="sort">${escaped(title)}</span></th>`).join("");
  const rows = table.rows.map((_, index) => index).filter((index) => !table.first || index < table.first).map((index) => rowHtml(table, index, methods)).join("");
  return `<div class="table" data-table="${escaped(table.id)}">${tableTools(table)}<div class="scroll"><table class="${table.classes || ""}" id="${escaped(table.id)}">${caption}<thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div></div>`;
};
// What a column is sorted by: the key of the cell, or its text as a number if it is one; null is last in both directions.
const sortKey = (cell, kind, methods) => {
  const [value, , , , key] = parts5(cell);
  if (key !== undefined && key !== null) return key;
  if (value === null || value === undefined || value === "") return null;
  if (kind === "method") return methods[value].name;
  if (Array.isArray(value)) return kind === "sources" ? String(value[0]) : value[0];
  if (CELL[kind] === "text") return value;
  const number = Number(String(value).replace("−", "-"));
  return Number.isNaN(number) ? null : number;
};
// A table has two tab stops: its headings, and its links. Arrow keys move among them.
const STOPS = ["thead button", ":is(tbody, .zero) :is(a, button)", "thead th > a"];
const oneStop = (node) => STOPS.forEach((selector) => all(selector, node).forEach((stop, index) => { stop.tabIndex = index ? -1 : 0; }));
const moveStop = (event) => {
  const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] || [0, 0];
  const selector = STOPS.find((name) => event.target.matches(name));
  if (!selector || !(dx || dy)) return;
  event.preventDefault();
  const stops = all(selector, event.currentTarget);
  const place = (stop) => [stop.closest("td, th").cellIndex, stop.closest("tr").rowIndex];
  const [x, y] = place(event.target);
  // The nearest stop in that direction, first of all in the same row or column.
  const ahead = stops.map((stop) => [stop, place(stop)]).filter(([, [at, row]]) => dx ? row === y && (at - x) * dx > 0 : (row - y) * dy > 0);
  const far = ([, [at, row]]) => dx ? Math.abs(at - x) : 1000 * Math.abs(row - y) + Math.abs(at - x);
  if (!ahead.length) return;
  const [next] = ahead.reduce((best, item) => far(item) < far(best) ? item : best);
  stops.forEach((stop) => { stop.tabIndex = stop === next ? 0 : -1; });
  next.focus();
};
const redraw = (state) => {
  const { table, methods, node } = state;
  const matching = state.order.filter((index) => !state.pressed.size || state.pressed.has(table.filters[index]));
  const shown = table.first && !state.whole ? matching.slice(0, table.first) : matching;
  node.tBodies[0].innerHTML = shown.map((index) => rowHtml(table, index, methods)).join("");
  oneStop(node);
  const more = node.closest(".table").querySelector(".more-rows");
  if (more) {
    more.textContent = state.whole ? `Show the first ${table.first} only` : `Show all ${matching.length}`;
    more.hidden = matching.length <= table.first;
  }
};
const sortTable = (state, column) => {
  const { table, methods, node } = state;
  const kind = kindOf(table.columns[column]);
  const heading = node.tHead.rows[0].children[column];
  const textual = CELL[kind] === "text";
  const first = textual || heading.classList.contains("rank") ? "ascending" : "descending";
  const order = heading.getAttribute("aria-sort") === first ? (first === "ascending" ? "descending" : "ascending") : first;
  const sign = order === "ascending" ? 1 : -1;
  const keys = table.rows.map((row) => sortKey(row[column], kind, methods));
  state.order.sort((p, q) => {
    if (keys[p] === null || keys[q] === null) return (keys[p] === null) - (keys[q] === null) || p - q;
    return sign * (textual ? keys[p].localeCompare(keys[q], undefined, { numeric: true }) : keys[p] - keys[q]) || p - q;
  });
  all("th[aria-sort]", node).forEach((th) => th.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  redraw(state);
};
// Makes the headings of a table buttons, and adds the button for the rest of a long table.
const bindTable = (place, table, methods) => {
  const node = place.querySelector("table");
  const state = { table, methods, node, order: table.rows.map((_, index) => index), pressed: new Set(), whole: false };
  tablesById.set(table.id, state);
  all("thead .sort", node).forEach((span, column) => {
    span.replaceChildren(button(span.textContent, () => sortTable(state, column), ""));
  });
  oneStop(node);
  node.addEventListener("keydown", moveStop);
  if (table.first && table.rows.length > table.first) {
    place.append(button("", () => { state.whole = !state.whole; redraw(state); }, "more-rows"));
    redraw(state);
  }
  place.querySelector(".table-tools").addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (!chip) return;
    if (chip.dataset.filter !== undefined) {
      const on = chip.getAttribute("aria-pressed") !== "true";
      chip.setAttribute("aria-pressed", String(on));
      state.pressed[on ? "add" : "delete"](chip.dataset.filter);
      redraw(state);
    } else {
      textToCopy(state, chip.dataset.format).then((text) => copyText(chip, text, chip.dataset.format));
    }
  });
  fitting.observe(place.querySelector(".scroll"));
};
