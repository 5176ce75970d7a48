// Pages by address: #method=KEY and #dataset=NAME are rendered from the data of the page, one at a time.
const pageNode = document.getElementById("page");
const frontNode = document.getElementById("front");
const MEASURES = { base: "Base", new: "New", open: "Open", H: "H", all: "Accuracy" };
const frontTitle = document.title;
let frontPlace = 0;  // where the reader was on the front page
const pairsList = (pairs) => `<dl class="pairs">${pairs.map(([name, text]) => `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`).join("")}</dl>`;
const settingsOf = (method) => {
  const [published, changed] = [0, 1].map((kind) => block.details[method.settings].filter(([, , differs]) => differs === kind));
  return (changed.length ? `<h3>Settings that are not the published ones</h3>${pairsList(changed)}` : "") + (published.length ? `<h3>${changed.length ? "Other settings" : "Settings"}</h3>${pairsList(published)}` : "");
};
const webLink = (url) => /^https?:\/\//.test(url) ? `<a href="${escaped(url)}" rel="noopener noreferrer">${escaped(url)}</a>` : escaped(url);
// The title of a dataset as a link, marked if the backbone has seen its images.
const datasetCell = ({ title, address, seen }) => seen ? [`${title} (${seen[0]})`, address, seen[1]] : [title, address];
// One method on one dataset: scores with gains over zero-shot, and the runs behind them.
const cellsOf = (data, anchor, method, dataset) => {
  const cells = data.measures.flatMap((measure) => {
    const score = pm(data, measure, method, dataset);
    if (data.baseline === null) return [score];
    const zero = data.means[measure][data.baseline][dataset];
    return [score, method === data.baseline || score === null || zero === null ? null : signed((data.means[measure][method][dataset] - zero) / 100, 2)];
  });
  if (!data.runs) return cells;
  const runs = data.runs[method][dataset];
  return cells.concat([runs.filter(Boolean).join(" ")], hasErrors() && runs.length ? [["errors", errorsAddress(anchor, data, method, dataset)]] : [null]);
};
const cellColumns = (data) => data.measures.flatMap((measure) => {
  const score = [MEASURES[measure], "pm", "Accuracy in % with its 95 % interval", "score"];
  return data.baseline === null ? [score] : [score, ["Gain", "number", "Over zero-shot, in points"]];
}).concat(data.runs ? [["Runs", "text", "The first digits of the run ids"], ["Errors", "link"]] : []);
const methodPage = (data, anchor, method) => {
  const about = data.methods[method];
  const [summary, citation, links] = block.methods[about.method] || ["", "", []];
  const against = data.methods[data.baseline];
  const order = data.datasets.map((_, dataset) => dataset);
  const table = {
    id: "page-table", caption: "Accuracy on every dataset, %.",
    columns: [["Dataset", "link"], ...cellColumns(data)],
    rows: order.map((dataset) => [datasetCell(data.datasets[dataset]), ...cellsOf(data, anchor, method, dataset)]),
  };
  const badges = about.badges.map(([cls, text, tip]) => `<p class="missing">${escaped(text)}${tip ? ": " + escaped(tip) : ""}</p>`).join("");
  return {
    title: about.name,
    html: `<p class="question">${escaped([about.family, data.heading].filter(Boolean).join(" · "))}</p>${summary ? `<p>${escaped(summary)}</p>` : ""}${links.map(([what, url]) => `<p class="note">${what}: ${webLink(url)}</p>`).join("")}${badges}` +
      (about.n < about.expected ? `<p class="missing">${about.n} of ${about.expected} cells are scored.</p>` : "") +
      (against && against !== about ? `<p><a href="#${escaped(`${about.address.replace("method=", "A=")}&B=${encodeURIComponent(against.key)}`)}">Accuracy against difficulty</a></p>` : "") +
      tableHtml(table, data.methods) + 
      settingsOf(about) +
      (citation ? `<h3>Citation</h3><pre>${escaped(citation)}</pre>` : ""),
    table,
  };
};
const datasetPage = (data, anchor, dataset) => {
  const { name, title, overlap, seen } = data.datasets[dataset];
  const facts = block.datasets[name] || {};
  const measure = data.measures.at(-1);
  const answer = data.answers[measure];
  const score = (method) => data.means[measure][method][dataset] ?? -1;
  const order = data.methods.map((_, method) => method).sort((p, q) => score(q) - score(p));
  const table = {
    id: "page-table", caption: "Every method on this dataset, accuracy in %.", classes: "board",
    columns: [["Method", "method"], ...cellColumns(data)],
    rows: order.map((method) => [method, ...cellsOf(data, anchor, method, dataset)]),
  };
  const examples = (pictures().examples[name] || []).map(([text, uri]) => `<figure><img src="${escaped(uri)}" alt="Test image of class ${escaped(text)}" width="72" height="72"><figcaption>${escaped(text)}</figcaption></figure>`).join("");
  const known = Object.entries(data.difficulty).map(([what, values]) => [what, ...values[dataset]]);
  const shown = (value) => value === null ? "–" : Number(value.toPrecision(4));
  const difficulty = known.length ? `<h3>Difficulty for ${escaped(data.facets[0])}</h3><div class="scroll"><table><thead><tr><th scope="col" class="text">Measure</th><th scope="col" class="num">All classes</th><th scope="col" class="num">Base</th><th scope="col" class="num">New</th></tr></thead><tbody>${known.map(([what, ...values]) =>
    `<tr><th scope="row" class="text">${escaped(what)}</th>${values.map((value) => `<td class="num">${shown(value)}</td>`).join("")}</tr>`).join("")}</tbody></table></div>` : "";
  const zeroShot = answer.zeroShot[dataset] === null ? [] : [["Zero-shot accuracy", (100 * answer.zeroShot[dataset]).toFixed(1) + " %"]];
  const classes = answer.classes[dataset] ? [["Classes", String(answer.classes[dataset])]] : [];
  return {
    title: facts.title || title,
    html: `<p class="question">${escaped([facts.domain, data.heading].filter(Boolean).join(" · "))}</p>${seen ? `<p class="missing" title="${escaped(seen[1])}">Test images in the pretraining data: ${escaped(seen[0])}</p>` : ""}${facts.summary ? `<p>${escaped(facts.summary)}</p>` : ""}` +
      (examples ? `<div class="examples">${examples}</div>` : "") +
      pairsList([["Name", name], ...classes, ...zeroShot, ...(facts.licence ? [["Licence", facts.licence]] : []), ...(overlap === undefined ? [] : block.details[overlap])]) +
      (facts.homepage ? `<p class="note">Homepage: ${webLink(facts.homepage)}</p>` : "") + tableHtml(table, data.methods) + difficulty,
    table,
  };
};
// The page of an address, or null for the front page.
const pageOf = (hash) => {
  const wanted = new URLSearchParams(hash.slice(1));
  const kind = ["method", "dataset"].find((name) => wanted.has(name));
  if (!kind) return null;
  const anchor = block.settings[wanted.get("setting")] ? wanted.get("setting") : block.first;
  const data = block.settings[anchor];
  const name = wanted.get(kind);
  const datasetOf = (same) => data.datasets.findIndex((dataset) => same(dataset.name) === name);
  const exact = kind === "method" ? data.methods.findIndex((method) => method.key === name) : datasetOf((text) => text);
  // A dataset with options, such as `dtd:test=10`, is also found without them.
  const number = exact < 0 && kind === "dataset" ? datasetOf((text) => text.split(":")[0]) : exact;
  if (number < 0) return { title: wanted.get(kind), html: `<p class="missing">This setting has no ${kind} of that name.</p>` };
  return (kind === "method" ? methodPage : datasetPage)(data, anchor, number);
};
const showPage = () => {
  if (!pageNode) return;
  const found = pageOf(location.hash);
  if (!frontNode.hidden) frontPlace = scrollY;
  const wasPage = !pageNode.hidden;
  pageNode.hidden = !found;
  frontNode.hidden = Boolean(found);
  document.title = found ? found.title + " – " + frontTitle : frontTitle;
  if (!found) {
    pageNode.replaceChildren();
    if (wasPage && !document.getElementById(location.hash.slice(1))) scrollTo({ top: frontPlace, behavior: "instant" });
    return;
  }
  pageNode.innerHTML = `<p><a class="back" href="#${escaped(frontAddress())}">← All results</a></p><h2>${escaped(found.title)}</h2>${found.html}`;
  if (found.table) bindTable(pageNode.querySelector(".table"), found.table, block.settings[inAddress().get("setting") || block.first].methods);
  scrollTo({ top: 0, behavior: "instant" });
  pageNode.focus({ preventScroll: true });
};
// Another setting shows its page of the same method or dataset.
settingListeners.push(() => {
  const wanted = inAddress();
  const data = settingData();
  const same = wanted.has("method") ? data.methods.find((method) => method.key === wanted.get("method"))
    : wanted.has("dataset") ? data.datasets.find((dataset) => dataset.name === wanted.get("dataset")) : null;
  if (same) location.hash = same.address;
});
addEventListener("hashchange", showPage);
showPage();
