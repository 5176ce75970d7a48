// The map: methods by datasets from easy to hard, and the band above its columns.
const MAP = { methods: 10, rows: 15, name: 24, least: 400, scaled: 0.95, height: 84 };
const byDifficulty = (places) => places.map((_, dataset) => dataset).sort((p, q) => (places[p] === null) - (places[q] === null) || places[p] - places[q] || p - q);
const mapOrder = (methods, measure) => {
  const mean = (method) => methods[method].means[measure]?.[0] ?? -100;
  return methods.map((_, method) => method).sort((p, q) => methods[q].complete - methods[p].complete || mean(q) - mean(p) || p - q);
};
const mapColumn = (data, answer, dataset, group) => {
  const about = data.datasets[dataset];
  const [zero, classes] = [answer.zeroShot[dataset], answer.classes[dataset]];
  const facts = [about.title, classes ? `${classes} classes` : "", zero === null ? "" : `zero-shot ${(Math.round(1000 * zero) / 10).toFixed(1)} %`];
  const [mark, source] = about.seen ? [` (${about.seen[0]})`, ". " + about.seen[1]] : ["", ""];
  return [shortened(about.title, MAP.name) + mark, "pair", facts.filter(Boolean).join(", ") + source, "slim", group];
};
const mapTable = (data, measure) => {
  const { methods, baseline } = data;
  const answer = data.answers[measure];
  const [order, datasets] = [mapOrder(methods, measure), byDifficulty(answer.places)];
  const scores = methods.map((_, method) => data.datasets.map((_, dataset) => meanScore(data, measure, method, dataset)));
  const zeroBar = baseline === null ? null : methods[baseline].bars[measure]?.[0] ?? null;
  const gain = (method, dataset) => {
    if (baseline === null || method === baseline) return null;
    const [zero, mine] = [scores[baseline][dataset], scores[method][dataset]];
    return zero === null || mine === null ? null : Math.round(mine - zero);
  };
  const gains = order.flatMap((method) => datasets.map((dataset) => gain(method, dataset))).filter((value) => value !== null);
  const sizes = gains.map(Math.abs).sort((p, q) => p - q);
  const largest = Math.max(MAP.least, sizes[Math.floor(MAP.scaled * (sizes.length - 1))] ?? 0);
  const gainCell = (method, dataset) => {
    const score = scores[method][dataset];
    const classes = hasGap(data, measure, method, dataset) ? "gap" : "";
    const found = gain(method, dataset);
    const sides = data.reach?.[measure]?.[method][dataset] ?? null;
    const runs = (data.runs?.[method][dataset] || []).filter(Boolean).length;
    const tip = score === null ? "" : `${(Math.round(score) / 100).toFixed(2)}${sides === null ? "" : " " + reach(sides)} %${runs ? ", " + counted(runs, "run") : ""}`;
    if (found === null) return [null, score === null ? null : String(Math.round(score / 100)), tip, classes];
    const address = data.runs && hasErrors() ? errorsAddress(data.anchor, data, method, dataset) : data.datasets[dataset].address;
    return [found, [Math.min(shareOf(found, largest), 100), address], tip, classes];
  };
  const barCell = (method) => {
    const bar = methods[method].bars[measure];
    if (!bar) return null;
    return [[...bar, zeroBar], ...(baseline === null || method === baseline ? [] : [pairAddress(methods[method], methods[baseline])])];
  };
  const ranked = methods.some(({ rank }) => rank);
  const timed = methods.some(({ time }) => time);
  const x = Object.values(answer.x)[0] || datasets.map(() => null);
  const named = new Map(["easy", "medium", "hard"].flatMap((kind, group) => answer.groups[group].slice(0, 1).map((dataset) => [dataset, kind])));
  const families = order.map((method) => methods[method].family);
  const zeroShot = order.indexOf(baseline);
  return {
    id: data.anchor + "-map-table",
    columns: [
      ...(ranked ? [["Rank", "word", "Ranks on these datasets that are consistent with the paired tests", "rank"]] : []),
      ["Method", "method"],
      [scoreTitle(measure), "heat", block.titles[measure], "score"],
      ["Interval" + (data.runs ? " here" : ""), "bar", "95 %; dashed: zero-shot"],
      ...datasets.map((dataset) => mapColumn(data, answer, dataset, named.get(dataset) || "")),
      ...(timed ? [["Time", "word", "Mean time of one run: preparation and training, or test where methods learn then"]] : []),
    ],
    rows: order.map((method) => [
      ...(ranked ? [[...methods[method].rank[measure], "", "rank"]] : []),
      method,
      [methods[method].means[measure]?.[0] ?? null, null, "", "key"],
      barCell(method),
      ...datasets.map((dataset) => gainCell(method, dataset)),
      ...(timed ? [[methods[method].seconds, methods[method].time || "–", "", "time"]] : []),
    ]),
    classes: "map",
    rowClasses: order.map((method) => method === baseline ? "baseline" : methods[method].complete ? "" : "incomplete"),
    caption: (baseline === null ? "Cells: accuracy in %." : `Cells: gain over zero-shot in points, full colour from ${Math.round(largest / 100)}. Grey row: zero-shot scores.`) +
      (!x.some((value) => value !== null) ? " No difficulty is known for these datasets, so their order says nothing." : baseline === null ? "" : " Numbers below the band: difficulty, chance / zero-shot accuracy among all classes."),
    band: { from: 3 + ranked, cells: datasets.map((dataset) => x[dataset] === null ? "–" : String(Number(x[dataset].toPrecision(2)))), datasets },
    ...(order.length > MAP.rows ? { first: MAP.methods, pinned: zeroShot >= 0 ? [zeroShot] : [] } : {}),
    ...(new Set(families).size > 1 ? { filters: families, filterName: "Family" } : {}),
  };
};
// The band: accuracy against difficulty of zero-shot (dash) and of one method (disc), one position a column.
const drawBand = (node, data, measure, method) => {
  const { datasets } = node.band;
  const score = (number, dataset) => number === null ? null : meanScore(data, measure, number, dataset);
  const values = datasets.map((dataset) => [score(data.baseline, dataset), method === data.baseline ? null : score(method, dataset)]);
  const known = values.flat().filter((value) => value !== null).map((value) => value / 100);
  if (!known.length) return;
  const [low, high] = [Math.max(0, Math.floor(Math.min(...known) / 10 - 0.2) * 10), Math.min(100, Math.ceil(Math.max(...known) / 10 + 0.2) * 10)];
  const y = (value) => rounded(MAP.height - 6 - (MAP.height - 12) * (value / 100 - low) / (high - low));
  const lines = [low, (low + high) / 2, high].map((value) => `M0,${y(100 * value)}H60`).join("");
  all("td", node.row).slice(1, 1 + datasets.length).forEach((cell, index) => {
    const [zero, mine] = values[index];
    const side = zero === null || mine === null || mine >= zero ? "a" : "b";
    const link = zero === null || mine === null ? "" : `<path class="stem ${side}" d="M30,${y(zero)}V${y(mine)}"/>`;
    const dash = zero === null ? "" : `<path class="dash" d="M19,${y(zero)}h22"/>`;
    const disc = mine === null ? "" : `<circle class="${side}" cx="30" cy="${y(mine)}" r="4.5"/>`;
    cell.querySelector("svg")?.remove();
    cell.insertAdjacentHTML("afterbegin", `<svg viewBox="0 0 60 ${MAP.height}" height="${MAP.height}" preserveAspectRatio="xMidYMid meet" aria-hidden="true"><path class="level" d="${lines}"/>${link}${dash}${disc}</svg>`);
  });
  const key = data.baseline === null ? "" : `<i class="key dash"></i> ${escaped(shortened(data.methods[data.baseline].name, 30))} `;
  const other = method === null || method === data.baseline ? "" : `<i class="key disc"></i> ${escaped(shortened(data.methods[method].name, 30))}`;
  node.row.cells[0].innerHTML = `<b>${block.titles[measure]} ${node.band.cells.some((text) => text !== "–") ? "against difficulty" : "by dataset"}</b><span>lines at ${low}, ${(low + high) / 2} and ${high} %</span><span>${key}${other}</span>`;
};
const mapPlace = document.getElementById("map");
const mapBand = { row: null, band: null };
// The families whose rows are shown; they stay when the table is drawn again, and are in the address.
const mapFamilies = new Set(inAddress().getAll("family"));
const pressFamilies = () => all("[data-filter]", mapPlace).forEach((chip) => {
  if (mapFamilies.has(chip.dataset.filter) !== (chip.getAttribute("aria-pressed") === "true")) chip.click();
});
mapPlace?.addEventListener("click", ({ target }) => {
  const chip = target.closest("[data-filter]");
  if (!chip || mapFamilies.has(chip.dataset.filter) === (chip.getAttribute("aria-pressed") === "true")) return;
  mapFamilies[mapFamilies.delete(chip.dataset.filter) ? "delete" : "add"](chip.dataset.filter);
  history.replaceState(null, "", "#" + frontAddress());
});
const drawMap = (data, { measure, a }) => {
  const table = mapTable(data, measure);
  putTable(mapPlace, table, data);
  pressFamilies();
  Object.assign(mapBand, { row: mapPlace.querySelector("tr.band"), band: table.band });
  const own = () => drawBand(mapBand, data, measure, a);
  own();
  // The band follows the row under the pointer, or that has the focus.
  const body = mapPlace.querySelector("tbody");
  const follow = (event) => {
    const link = event.target.closest("tr")?.querySelector("a.method");
    const method = data.methods.findIndex(({ address }) => link && "#" + address === link.getAttribute("href"));
    if (method >= 0 && method !== data.baseline) drawBand(mapBand, data, measure, method);
  };
  body.addEventListener("pointerover", follow);
  body.addEventListener("focusin", follow);
  body.addEventListener("pointerleave", own);
  body.addEventListener("focusout", own);
};
