// The first screen's chart and table: Python draws both for every setting and score; scripts show another pair of methods
// in the chart, order its datasets, and filter and sort the table.
const mapPlace = document.getElementById("map");
const shownMap = { family: "", inputs: "", sort: "", whole: new Set() };  // what the reader chose; the address keeps it
const mapTable = () => mapPlace.querySelector("table");
const rowOf = (method) => mapTable().querySelector(`tbody tr[data-m="${method}"]`);
const PLOT = { top: 20, height: 86 };  // as in reports/map/marks.py
// Better, worse, or within a point; in points.
const sideOf = (gap) => gap === null ? "gain" : toneOf(gap) === "g0" ? "even" : gap < 0 ? "loss" : "gain";
const setSide = (node, side) => { node.classList.remove("gain", "even", "loss"); node.classList.add(side); };
// The marks of a dataset at two scores in per cent, or null; `marks` of reports/map/marks.py draws them first.
const moveMarks = (at, mine, theirs) => {
  const [disc, dash] = [mine, theirs].map((score) => rounded(PLOT.top + PLOT.height * (1 - (score ?? 0) / 100)));
  const gap = mine === null || theirs === null ? null : mine - theirs;
  const side = sideOf(gap);
  const isAbove = gap === null || gap >= 0;
  const set = (selector, values, score) => {
    const node = at.querySelector(selector);
    Object.entries(values).forEach(([name, value]) => node.setAttribute(name, value));
    node.toggleAttribute("hidden", score === null);
    return node;
  };
  const below = theirs === null ? disc : dash;
  setSide(set(".stem", { y: Math.min(disc, below), height: Math.abs(disc - below) }, mine), side);
  setSide(set("circle", { cy: disc }, mine), side);
  set(".dash", { y: dash - 1.5 }, theirs);
  const text = (score) => score === null ? "" : String(Math.floor(score + 0.5));
  set(".theirs", { y: dash + (isAbove ? 16 : -9) }, theirs).textContent = text(theirs);
  const number = set(".mine", { y: disc + (isAbove ? -9 : 16) }, mine);
  number.textContent = text(mine);
  setSide(number, side);
  [["--a", mine], ["--b", theirs]].forEach(([name, score]) => score === null ? at.style.removeProperty(name) : at.style.setProperty(name, score));
  const change = at.querySelector(".change");
  change.textContent = gap === null ? text(mine) : signed(gap);
  setSide(change, side);
};
// The chart shows method `a` against `b`, by default zero-shot.
const showInChart = (data, { measure, b }, a) => {
  const rows = data.means[measure];
  const score = (method, dataset) => method === null || rows[method][dataset] === null ? null : rows[method][dataset] / 100;
  const columns = all(".at", mapPlace).sort((p, q) => p.dataset.at - q.dataset.at);
  const gaps = columns.map((at) => {
    const [mine, theirs] = [a, b].map((method) => score(method, Number(at.dataset.d)));
    moveMarks(at, mine, theirs);
    return mine === null || theirs === null ? null : mine - theirs;
  });
  const cells = all("td.k", rowOf(a));
  all(".large", mapPlace).forEach((node, index) => {
    const [start, size] = [node.dataset.start, node.dataset.size].map(Number);
    const known = gaps.slice(start, start + size);
    const mean = known.includes(null) ? null : known.reduce((sum, gap) => sum + gap, 0) / size;
    const cell = cells[index];
    const isOwn = b === data.baseline;
    node.textContent = isOwn && cell ? cell.textContent : mean === null ? "–" : signed(mean);
    setSide(node, isOwn && cell ? (/\bl\d/.test(cell.className) ? "loss" : /\bg0/.test(cell.className) ? "even" : "gain") : sideOf(mean));
  });
  mapPlace.querySelector(".name-a").textContent = data.methods[a].title;
  const pair = pairOf(data, measure, a, b);
  const node = mapPlace.querySelector(".pair");
  node.dataset.first ??= node.textContent;
  const isOther = b !== null && b !== data.baseline;
  node.classList.toggle("compared", isOther);
  const within = (ends, where) => ends ? `, ${where} ${ends.map((end) => signed(end / 100)).join(" to ")}` : "";
  node.textContent = !isOther ? node.dataset.first : pair.mean === null ? "Their difference is not tested"
    : `Difference ${signed(pair.mean / 100)} points${within(pair.here, "here")}${within(pair.elsewhere, "elsewhere")}`;
};
// Chart and table have their datasets in the order of a measure of difficulty; groups belong to the first order.
const orderDatasets = (data, { measure, x }) => {
  const order = data.answers[measure].orders[x];
  const first = all(".at", mapPlace).sort((p, q) => p.dataset.at - q.dataset.at).map((at) => Number(at.dataset.d));
  const places = (order || first).map((dataset) => first.indexOf(dataset));
  mapPlace.querySelector(".map-box").classList.toggle("reordered", Boolean(order));
  all(".at", mapPlace).forEach((at) => {
    const place = places.indexOf(Number(at.dataset.at));
    at.style.gridColumn = place + 2;
    at.style.setProperty("--at", place);
  });
  all("tr", mapTable()).forEach((row) => all(".c:not([colspan])", row).forEach((cell, _, cells) => {
    cell.dataset.at ??= cells.indexOf(cell);
  }));
  all("tr", mapTable()).forEach((row) => {
    const cells = all(".c:not([colspan])", row);
    const end = cells.at(-1)?.nextSibling;
    places.map((place) => cells.find((cell) => cell.dataset.at === String(place))).filter(Boolean).forEach((cell) => row.insertBefore(cell, end));
  });
};
// Rows of the chosen family and inputs.
const filterMap = (data) => {
  const fits = ({ family, inputs = [] }) => (!shownMap.family || family === shownMap.family) &&
    (!shownMap.inputs || (shownMap.inputs === "labelled" ? !inputs.length : inputs.includes(shownMap.inputs)));
  all("tr[data-m]", mapPlace).forEach((node) => { node.hidden = !node.matches(".zero") && !fits(data.methods[node.dataset.m]); });
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
  if (!rows.length) return;
  const head = table.querySelector("tr.heads").cells[Math.abs(parseInt(shownMap.sort))];
  const column = head?.querySelector(".sort") ? head.cellIndex : null;  // another setting may lack the column
  const down = column !== null && shownMap.sort.startsWith("-");
  if (column !== null) head.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.classList.toggle("sorted", column !== null);
  const valueOf = (row) => {
    const cell = row.matches(".zero") && column > 3 && !head.matches(".time") ? null : row.matches(".zero") && head.matches(".time") ? row.cells[row.cells.length - 1] : row.cells[column];
    const text = cell?.textContent.trim().replace("−", "-").replace(/[–\s].*/, "") ?? "";
    return text === "" ? null : Number.isNaN(Number(text)) ? cell.querySelector("a")?.textContent ?? text : Number(text);
  };
  const keys = new Map(rows.map((row, at) => [row, column === null ? Number(row.dataset.at ?? at) : valueOf(row)]));
  rows.forEach((row, at) => { row.dataset.at ??= at; });
  const end = all("tbody tr.fold, tbody tr.split", table)[0] || null;
  rows.sort((p, q) => {
    const [one, other] = [keys.get(p), keys.get(q)];
    if (one === null || other === null) return (one === null) - (other === null) || p.dataset.at - q.dataset.at;
    return (down ? -1 : 1) * (typeof one === "string" ? one.localeCompare(other) : one - other) || p.dataset.at - q.dataset.at;
  }).forEach((row) => table.tBodies[0].insertBefore(row, end));
};
// The columns of the chart are one tab stop; arrow keys move among them.
const bindChartKeys = (chart) => {
  const stops = () => all(".at", chart).sort((p, q) => p.style.getPropertyValue("--at") - q.style.getPropertyValue("--at"));
  stops().forEach((stop, index) => { stop.tabIndex = index ? -1 : 0; });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const order = stops();
    const next = order[order.indexOf(event.target) + step];
    if (!step || !event.target.matches(".at") || !next) return;
    event.preventDefault();
    order.forEach((stop) => { stop.tabIndex = stop === next ? 0 : -1; });
    next.focus();
  });
};
// Cells tell their score and their runs, and lead to what the method changed there or to their dataset.
const bindCells = (data, measure) => {
  const order = all(".at", mapPlace).map((at) => Number(at.dataset.d));
  all("tr[data-m]:not(.zero)", mapTable()).forEach((row) => all("td.c", row).forEach((cell, place) => {
    const [method, dataset] = [Number(row.dataset.m), order[place]];
    const score = pm(data, measure, method, dataset);
    if (!score) return;
    const runs = data.runs ? ", " + counted(data.runs[method][dataset].filter(Boolean).length, "run") : "";
    cell.title = `${score.filter(Boolean).join(" ")} %${runs}`;
    const address = hasErrors() ? errorsAddress(data.anchor, data, method, dataset) : data.baseline === null ? data.datasets[dataset].address : "";
    if (address) cell.replaceChildren(element("a", { href: "#" + address, textContent: cell.textContent }));
  }));
};
const bindMap = (data, measure) => {
  const table = mapTable();
  all(".at", mapPlace).forEach((at, index) => { at.dataset.at = index; });
  bindCells(data, measure);
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
  oneStop(table);
  table.addEventListener("keydown", moveStop);
  bindChartKeys(mapPlace.querySelector(".difficulty"));
  table.addEventListener("click", ({ target }) => {
    const more = target.closest("[data-more]");
    if (!more) return;
    const name = more.dataset.more;
    shownMap.whole[shownMap.whole.has(name) ? "delete" : "add"](name);
    filterMap(choiceNow()[0]);
    keepChoice();
  });
  // The chart follows the row under the pointer, or that has the focus.
  const follow = (event) => {
    const row = event.target.closest("tr[data-m]:not(.zero)");
    if (row) showInChart(...choiceNow(), Number(row.dataset.m));
  };
  const own = () => { const [data, state] = choiceNow(); if (state.a !== null) showInChart(data, state, state.a); };
  const body = table.tBodies[0];
  ["pointerover", "focusin"].forEach((name) => body.addEventListener(name, follow));
  ["pointerleave", "focusout"].forEach((name) => body.addEventListener(name, own));
};
const firstMap = mapPlace?.innerHTML;  // not in the data
let boundMap = "";
const drawMap = (data, state) => {
  const { measure, a } = state;
  const wanted = data.anchor + " " + measure;
  if (mapPlace.dataset.shown !== wanted) mapPlace.innerHTML = data.answers[measure].map ?? firstMap;
  if (boundMap !== wanted) bindMap(data, measure);
  mapPlace.dataset.shown = boundMap = wanted;
  filterMap(data);
  orderDatasets(data, state);
  sortMap();
  all("tr[data-m]", mapTable()).forEach((row) => row.classList.toggle("chosen", row.dataset.m === String(a)));
  if (a !== null && rowOf(a)) showInChart(data, state, a);
};
// Families and inputs can be chosen in a table of many methods.
const FEWEST_TO_FILTER = 12;
const FILTERS = { family: "families", inputs: "inputs" };
const mapFilters = {};
const drawFilters = (data) => {
  const of = (texts) => Array.from(new Set(texts.filter(Boolean))).map((text) => [text, text]);
  const options = { family: of(data.methods.map(({ family }) => family)), inputs: of(data.methods.flatMap(({ inputs = [] }) => inputs)) };
  if (options.inputs.length) options.inputs.unshift(["labelled", "labelled images only"]);
  Object.entries(mapFilters).forEach(([name, select]) => {
    if (!options[name].some(([value]) => value === shownMap[name])) shownMap[name] = "";
    fillSelect(select, [["", "all " + FILTERS[name]], ...options[name]], shownMap[name]);
    select.closest("label").hidden = options[name].length < 2 || data.methods.length < FEWEST_TO_FILTER;
  });
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
  // The board as `etl-bench export` writes it, and its drawing.
  const downloads = document.getElementById("downloads");
  Object.entries({ CSV: "csv", LaTeX: "tex", SVG: "svg" }).forEach(([format, suffix]) => downloads?.append(button(format, async () => {
    const [{ anchor }] = choiceNow();
    const { exports } = await evidence(anchor);
    const href = URL.createObjectURL(new Blob([exports[format]]));
    element("a", { href, download: `${anchor}.${suffix}` }).click();
    URL.revokeObjectURL(href);
  }, "plain")));
  restore();
  const draw = (data, state) => {
    const { headline, known, caveats, take } = data.answers[state.measure];
    document.getElementById("headline").textContent = headline;
    Object.entries({ known, caveats, take }).forEach(([id, text]) => { document.getElementById(id).innerHTML = text; });
    drawFilters(data);
    drawMap(data, state);
    placeChoices();
  };
  choiceListeners.push(draw);
  draw(...choiceNow());
  addEventListener("hashchange", () => { if (isFrontAddress()) { restore(); drawFilters(choiceNow()[0]); drawMap(...choiceNow()); } });
}
