// The sections of a setting, rendered from the parts of reports/parts/part.py. Folds are rendered when they are opened.
// `choiceListeners` receive the chosen methods and score.
const tableOf = ([kind, ...rest], data) => kind === "pairs" ? pairsTable(data, ...rest) : rest[0];
const partHtml = (part, data) => {
  const [kind, ...rest] = part;
  switch (kind) {
    case "table": case "pairs": return tableHtml(tableOf(part, data), data.methods);
    case "heading": return `<h3 id="${escaped(rest[0])}">${escaped(rest[1])} <a class="self" tabindex="-1" href="#${escaped(rest[0])}" aria-label="Link to ${escaped(rest[1])}">#</a></h3>`;
    case "fold": return `<details class="card" id="${escaped(rest[0])}"><summary><b>${escaped(rest[1])}</b> <span>${escaped(rest[2])}</span></summary></details>`;
    case "html": return `<div class="scroll">${rest[0]}</div>`;
    case "chart": return `<figure class="chart" id="${escaped(rest[0])}" data-kind="${escaped(rest[1])}"><div class="tools needs-script"></div><div class="plot" tabindex="0" role="group" aria-label="Chart. Arrow keys read out one mark after the other."></div><div class="tip" role="status" hidden></div><figcaption>${rest[2]}</figcaption></figure>`;
    default: return `<p class="${escaped(rest[1])}">${rest[0]}</p>`;
  }
};
const partsHtml = (parts, data) => parts.map((part) => partHtml(part, data)).join("");
// Makes rendered parts work; `place` holds their HTML, one element for each part.
const bindParts = (place, parts, data) => parts.forEach((part, index) => {
  const node = place.children[index];
  const [kind, ...rest] = part;
  if (kind === "table" || kind === "pairs") bindTable(node, tableOf(part, data), data.methods);
  if (kind === "chart") bindChart(node, part);
  if (kind === "fold") node.addEventListener("toggle", () => { if (node.open) fillFold(node, rest[3], data); });
});
// The content of folds of a setting is unpacked when the first one is opened.
const fillFold = (node, parts, data) => {
  if (node.querySelector(":scope > .body")) return;
  const body = element("div", { className: "body", textContent: "Loading …" });
  node.append(body);
  if (parts) drawParts(body, parts, data);
  else evidence(data.anchor).then(({ folds }) => drawParts(body, folds[node.id], data));
};
const drawParts = (place, parts, data) => {
  place.innerHTML = partsHtml(parts, data);
  bindParts(place, parts, data);
};
