// Search in sections, methods, datasets and run ids; choosing a result opens it.
const searchBox = document.getElementById("search");
if (searchBox) {
  const found = document.getElementById("found");
  let index = null;
  const entriesOf = () => {
    const data = settingData();
    const sections = all("main section.part").map((node) => ({ text: node.querySelector("h2").firstChild.textContent.trim(), where: "section", hash: node.id }));
    const folds = all("main details.card[id] > summary b").map((node) => ({ text: node.textContent, where: node.closest("section").querySelector("h2").firstChild.textContent.trim(), hash: node.closest("details").id }));
    if (!data) return [...sections, ...folds];
    const methods = data.methods.map((method) => ({ text: method.name, where: "method" + (method.family ? ", " + method.family : ""), also: method.key, hash: method.address }));
    const datasets = data.datasets.map((dataset) => ({ text: dataset.title, where: "dataset", also: dataset.name, hash: dataset.address }));
    const runs = Object.values(block.settings).flatMap((each) => (each.runs || []).flatMap((row, method) => row.flatMap((ids, dataset) =>
      ids.filter(Boolean).map((id) => ({ text: id, where: "run, " + each.methods[method].name + " on " + each.datasets[dataset].title, hash: "run=" + id })))));
    return [...methods, ...datasets, ...sections, ...folds, ...new Map(runs.map((run) => [run.text, run])).values()];
  };
  const search = () => {
    const wanted = searchBox.value.trim().toLowerCase();
    if (wanted.length < 2) { found.replaceChildren(); return; }
    index = index || entriesOf();
    const hits = index.filter((entry) => (entry.text + " " + (entry.also || "")).toLowerCase().includes(wanted)).slice(0, 12);
    found.replaceChildren(...hits.map((entry) => {
      const link = element("a", { href: "#" + entry.hash, textContent: shortened(entry.text, 60) }, element("span", { textContent: " " + entry.where }));
      link.addEventListener("click", () => { found.replaceChildren(); if (location.hash === "#" + entry.hash) dispatchEvent(new Event("hashchange")); });
      return element("li", {}, link);
    }));
    if (!hits.length) found.replaceChildren(element("li", { textContent: "No results on this page." }));
  };
  let timer = 0;
  settingListeners.push(() => { index = null; });
  searchBox.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 120); });
  searchBox.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { searchBox.value = ""; search(); }
    if (event.key === "Enter") { search(); const first = found.querySelector("a"); if (first) first.click(); }
  });
}
