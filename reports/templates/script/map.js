// The map: Python draws it for every setting and score; scripts show one, move the discs of the band, filter, sort and copy.
const mapPlace = document.getElementById("map");
const shownMap = { family: "", inputs: "", sort: "", whole: new Set() };  // what the reader chose; the address keeps it
const mapTable = () => mapPlace.querySelector(".wide-map table");
// The band shows a method: its discs move to the scores of its cells.
const showInBand = (data, method) => {
  const row = mapTable()?.querySelector(`tbody tr[data-m="${method}"]`);
  if (!row) return;
  const cells = all("td.c", row);
  all(".band .at", mapPlace).forEach((at, index) => {
    const score = parseFloat(cells[index].title);  // it begins with the score
    const y = `${100 - score}%`;
    const [stem, disc] = ["line.stem", "circle"].map((selector) => at.querySelector(selector));
    const side = cells[index].matches(".g0") ? "even" : /\bl\d/.test(cells[index].className) ? "loss" : "gain";
    stem.setAttribute("class", "stem " + side);
    disc.setAttribute("class", side);
    [stem, disc].forEach((mark) => mark.toggleAttribute("hidden", Number.isNaN(score)));
    if (Number.isNaN(score)) return;
    disc.setAttribute("cy", y);
    stem.setAttribute("y2", y);
    if (!at.querySelector(".dash")) stem.setAttribute("y1", y);
  });
  mapPlace.querySelector(".band-name").textContent = data.methods[method].title;
};
// Rows (and columns of the turned map) of the chosen family and inputs.
const filterMap = (data) => {
  const fits = ({ family, inputs = [] }) => (!shownMap.family || family === shownMap.family) &&
    (!shownMap.inputs || (shownMap.inputs === "labelled" ? !inputs.length : inputs.includes(shownMap.inputs)));
  all("[data-m]", mapPlace).forEach((node) => { node.hidden = !node.closest(".zero") && !fits(data.methods[node.dataset.m]); });
  const filtered = Boolean(shownMap.family || shownMap.inputs);
  const table = mapTable();
  all("[data-more]", table).forEach((fold) => {
    const open = shownMap.whole.has(fold.dataset.more);
    table.classList.toggle("whole-" + fold.dataset.more, open || filtered);
    fold.closest("tr").hidden = filtered;
    fold.setAttribute("aria-expanded", String(open));
  });
};
// `shownMap.sort` is the number of the column, and a minus sign for the largest first.
const sortMap = () => {
  const table = mapTable();
  all("[aria-sort]", table).forEach((head) => head.removeAttribute("aria-sort"));
  const rows = all("tbody tr[data-m]:not(.other, .incomplete)", table);
  const [first] = rows;
  if (!first) return;
  const head = table.querySelector("tr.heads").cells[Math.abs(parseInt(shownMap.sort))];
  const column = head?.querySelector(".sort") ? head.cellIndex : null;  // another setting may lack the column
  const down = column !== null && shownMap.sort.startsWith("-");
  if (column !== null) head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const valueOf = (row) => {
    const cell = row.cells[column];
    const text = cell.dataset.k ?? cell.textContent.trim().replace("−", "-").replace(/[–\s].*/, "");
    return text === "" ? null : Number.isNaN(Number(text)) ? cell.querySelector("a")?.textContent ?? text : Number(text);
  };
  const keys = new Map(rows.map((row, at) => [row, column === null ? Number(row.dataset.at ?? at) : valueOf(row)]));
  rows.forEach((row, at) => { row.dataset.at ??= at; });
  const end = all("tbody tr.fold, tbody tr.split", table)[0] || null;
  rows.sort((p, q) => {
    const [one, other] = [keys.get(p), keys.get(q)];
    if (one === null || other === null) return (one === null) - (other === null);
    return (down ? -1 : 1) * (typeof one === "string" ? one.localeCompare(other) : one - other) || p.dataset.at - q.dataset.at;
  }).forEach((row) => table.tBodies[0].insertBefore(row, end));
};
const bindMap = () => {
  const table = mapTable();
  if (!table) return;
  all(".heads .sort", table).forEach((span) => {
    const head = span.closest("th");
    const press = button("", () => {
      const at = String(head.cellIndex);
      const word = head.matches(".rank, .text, .time");  // these begin with the smallest
      const [first, second] = word ? [at, "-" + at] : ["-" + at, at];
      shownMap.sort = shownMap.sort === first ? second : first;
      sortMap();
      keepChoice();
    }, "");
    press.append(...span.childNodes);
    span.append(press);
  });
  all(".map", mapPlace).forEach((node) => {
    oneStop(node);
    node.addEventListener("keydown", moveStop);
  });
  all(".scroll", mapPlace).forEach((place) => fitting.observe(place));
  table.addEventListener("click", ({ target }) => {
    const more = target.closest("[data-more]");
    if (!more) return;
    const name = more.dataset.more;
    shownMap.whole[shownMap.whole.has(name) ? "delete" : "add"](name);
    filterMap(choiceNow()[0]);
    keepChoice();
  });
  // The band follows the row under the pointer, or that has the focus.
  const follow = (event) => {
    const method = event.target.closest("tr")?.dataset.m;
    if (method !== undefined) showInBand(choiceNow()[0], method);
  };
  const own = () => { const [data, { a }] = choiceNow(); showInBand(data, a); };
  const body = table.tBodies[0];
  ["pointerover", "focusin"].forEach((name) => body.addEventListener(name, follow));
  ["pointerleave", "focusout"].forEach((name) => body.addEventListener(name, own));
};
const firstMap = { map: mapPlace?.innerHTML, cards: document.getElementById("cards")?.innerHTML };  // not in the data
const drawMap = (data, { measure, a }) => {
  const wanted = data.anchor + " " + measure;
  if (mapPlace.dataset.shown !== wanted) {
    const { map = firstMap.map, cards = firstMap.cards } = data.answers[measure];
    mapPlace.innerHTML = map;
    document.getElementById("cards").innerHTML = cards;
    mapPlace.dataset.shown = wanted;
    bindMap();
  }
  filterMap(data);
  sortMap();
  all("tr[data-m]", mapTable()).forEach((row) => row.classList.toggle("chosen", row.dataset.m === String(a)));
  showInBand(data, a);
};
// Families and inputs that can be chosen, where there are several.
const FILTERS = { family: "families", inputs: "inputs" };
const mapFilters = {};
const drawFilters = (data) => {
  const of = (texts) => Array.from(new Set(texts.filter(Boolean))).map((text) => [text, text]);
  const options = { family: of(data.methods.map(({ family }) => family)), inputs: of(data.methods.flatMap(({ inputs = [] }) => inputs)) };
  if (options.inputs.length) options.inputs.unshift(["labelled", "labelled images only"]);
  Object.entries(mapFilters).forEach(([name, select]) => {
    if (!options[name].some(([value]) => value === shownMap[name])) shownMap[name] = "";
    fillSelect(select, [["", "all " + FILTERS[name]], ...options[name]], shownMap[name]);
    select.closest("label").hidden = options[name].length < 2;
  });
};
// The table as it is shown, with what the cells are.
const copyMap = (format) => {
  const table = mapTable();
  const strip = table.querySelector("th.reach").cellIndex;
  const zero = table.querySelector("tr.zero");
  const textOf = (cell) => (cell.matches("th") ? cell.querySelector("a") : cell).textContent.trim().replace(/\s?%$/, "");
  const rowOf = (row) => Array.from(row.cells, textOf).filter((_, at) => at !== strip);
  const heads = Array.from(table.querySelector("tr.heads").cells, (head) => head.textContent.trim() + (zero && head.matches(".name") ? ", gain" : "")).filter((_, at) => at !== strip);
  const rows = all("tbody tr[data-m]", table).filter((row) => row.checkVisibility());
  return asTable([heads, ...[zero, ...rows].filter(Boolean).map(rowOf)], format, "lr" + "r".repeat(heads.length - 2), table.caption.textContent);
};
if (mapPlace) {
  const place = document.getElementById("choices");
  Object.entries(FILTERS).forEach(([name, title]) => {
    mapFilters[name] = addSelect(place, [], [], "", (value) => {
      shownMap[name] = value;
      filterMap(choiceNow()[0]);
      keepChoice();
    });
    Object.assign(mapFilters[name], { id: "choose-" + name, ariaLabel: "Show " + title });
  });
  const copies = document.getElementById("copy-map");
  const formats = [...FORMATS, "BibTeX"];
  const copy = addSelect(copies, [], [["", "Copy as …"], ...formats.map((name) => [name, name])], "", (format) => {
    copy.value = "";
    const [data] = choiceNow();
    const methods = all("tbody tr[data-m]", mapTable()).filter((row) => row.checkVisibility()).map((row) => data.methods[row.dataset.m]);
    copyText(copy, format === "BibTeX" ? citationsOf(methods) : copyMap(format), format);
  });
  copy.ariaLabel = "Copy the map";
  copy.closest("label").replaceChildren(copy);
  copies.prepend(copy.closest("label"));
  addressParts.push((parts) => {
    ["family", "inputs", "sort"].forEach((name) => { if (shownMap[name]) parts.set(name, shownMap[name]); });
    if (shownMap.whole.size) parts.set("rows", Array.from(shownMap.whole).join(","));
  });
  const restore = () => {
    if (!isFrontAddress()) return;
    const wanted = inAddress();
    ["family", "inputs", "sort"].forEach((name) => { shownMap[name] = wanted.get(name) || ""; });
    shownMap.whole = new Set((wanted.get("rows") || "").split(",").filter(Boolean));
  };
  restore();
  bindMap();
  choiceListeners.push((data, state) => { drawFilters(data); drawMap(data, state); });
  const [data, state] = choiceNow();
  drawFilters(data);
  drawMap(data, state);
  addEventListener("hashchange", () => { if (isFrontAddress()) { restore(); drawFilters(choiceNow()[0]); drawMap(...choiceNow()); } });
}
