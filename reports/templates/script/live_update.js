// A page served by --watch takes over new data when its file has changed: the address, chosen methods, open folds, sorted and
// filtered tables, charts and the position stay. Where the new page has other sections or scripts, it is loaded again.
const PLACE_KEY = "etl-bench place";
const choiceFields = () => all(".chart .tools select");
const readersPlace = () => {
  const near = all("main [id]").filter((node) => node.getBoundingClientRect().height && node.getBoundingClientRect().top <= 120).at(-1);
  return {
    near: near ? near.id : null,
    top: near ? near.getBoundingClientRect().top : scrollY,
    open: all("details[open][id]").map((node) => node.id),
    fields: choiceFields().map((field) => [field.closest("figure").id, field.value]),
    tables: Array.from(tablesById, ([id, { node, pressed, whole }]) => {
      const heading = node.querySelector("th[aria-sort]");
      return [id, heading ? [heading.cellIndex, heading.getAttribute("aria-sort")] : null, Array.from(pressed), whole];
    }).filter(([, sorted, pressed, whole]) => sorted || pressed.length || whole),
  };
};
const restoreTables = (tables) => tables.filter(([id]) => tablesById.has(id) && document.getElementById(id)).forEach(([id, sorted, pressed, whole]) => {
  const state = tablesById.get(id);
  const place = state.node.closest(".table");
  if (sorted) for (let turn = 0; turn < 2 && state.node.tHead.rows[0].children[sorted[0]]?.getAttribute("aria-sort") !== sorted[1]; turn += 1) sortTable(state, sorted[0]);
  pressed.forEach((text) => all("[data-filter]", place).filter((chip) => chip.dataset.filter === text && !state.pressed.has(text)).forEach((chip) => chip.click()));
  if (whole && !state.whole) place.querySelector(".more-rows")?.click();
});
const restorePlace = ({ near, top, open, fields, tables }) => {
  open.map((id) => document.getElementById(id)).filter(Boolean).forEach((node) => { node.open = true; });
  choiceFields().forEach((field) => {
    const kept = fields.find(([id]) => id === field.closest("figure").id);
    if (!kept || !Array.from(field.options).some((option) => option.value === kept[1])) return;
    field.value = kept[1];
    field.dispatchEvent(new Event("change"));
  });
  let moved = false;  // by the reader
  ["wheel", "touchmove", "keydown"].forEach((name) => addEventListener(name, () => { moved = true; }, { passive: true, once: true }));
  const settle = (left) => {
    if (moved) return;
    const node = near ? document.getElementById(near) : null;
    scrollTo({ top: node ? scrollY + node.getBoundingClientRect().top - top : top, behavior: "instant" });
    if (left) setTimeout(() => settle(left - 1), 100);  // folds are filled and charts plotted a little later
    else restoreTables(tables);
  };
  restoreTables(tables);
  settle(5);
};
const shapeOf = (page) => all("main section.part, .parts, #errors, [data-fixed]", page).map((node) => node.id || node.dataset.section || node.dataset.fixed).join() +
  all("script:not([type])", page).map((node) => node.textContent).join();
const isData = "script[type]";
const exchange = (next) => {
  const place = readersPlace();
  const finish = exchanges.map((prepare) => prepare());
  const fixed = all("[data-fixed]", next);
  all("[data-fixed]").forEach((node, index) => { node.innerHTML = fixed[index].innerHTML; });
  all(isData).forEach((node) => node.remove());
  document.body.append(...all(isData, next).map((node) => document.importNode(node, true)));
  Object.assign(block, island("page-data"));
  unpacked.clear();
  parsedPictures = null;
  sectionNodes.filter((node) => block.sections[node.dataset.section]).forEach((node) => {
    drawParts(node, partsOf(node.dataset.section), settingData());
  });
  currentSetting = block.settings[currentSetting] ? currentSetting : block.first;
  drawPickers();
  settingListeners.forEach((listen) => listen(currentSetting));
  finish.forEach((work) => work());
  restorePlace(place);
};
const reload = () => {
  if (document.activeElement?.matches("input") && document.activeElement.value !== "") return false;  // the reader types
  if (frontNode && !frontNode.hidden) history.replaceState(null, "", "#" + heroAddress());
  sessionStorage.setItem(PLACE_KEY, JSON.stringify(readersPlace()));
  location.reload();
  return true;
};
if (root.dataset.live !== undefined) {
  history.scrollRestoration = "manual";
  const kept = sessionStorage.getItem(PLACE_KEY);
  sessionStorage.removeItem(PLACE_KEY);
  if (kept) restorePlace(JSON.parse(kept));
  let known = null;
  const look = () => fetch(location.pathname, { method: "HEAD", cache: "no-store" }).then((response) => {
    const tag = response.headers.get("ETag");
    if (known === null || tag === known) { known = tag; return null; }
    return fetch(location.pathname, { cache: "no-store" }).then((page) => page.text()).then((text) => {
      const next = new DOMParser().parseFromString(text, "text/html");
      if (hero && shapeOf(next) === shapeOf(document)) exchange(next);
      else if (!reload()) return;
      known = tag;
    });
  });
  const timer = setInterval(() => look().catch((error) => { clearInterval(timer); throw error; }), 2000);
}
