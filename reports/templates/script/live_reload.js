// A page served by --watch is loaded again when it has changed, at the place where the reader is: the address keeps what is
// chosen; open cards, sorted and filtered tables, charts and the position are restored. It waits while the reader types.
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
  const settle = (left) => {
    const node = near ? document.getElementById(near) : null;
    scrollTo({ top: node ? scrollY + node.getBoundingClientRect().top - top : top, behavior: "instant" });
    if (left) setTimeout(() => settle(left - 1), 100);  // folds are filled and pictures drawn a little later
    else restoreTables(tables);
  };
  restoreTables(tables);
  settle(5);
};
if (root.dataset.live !== undefined) {
  history.scrollRestoration = "manual";
  const kept = sessionStorage.getItem(PLACE_KEY);
  sessionStorage.removeItem(PLACE_KEY);
  if (kept) restorePlace(JSON.parse(kept));
  let known = null;
  const typing = () => document.activeElement?.matches("input") && document.activeElement.value !== "";
  const timer = setInterval(() => {
    fetch(location.pathname, { method: "HEAD", cache: "no-store" }).then((response) => {
      const tag = response.headers.get("ETag");
      if (known !== null && tag !== known && typing()) return;
      if (known !== null && tag !== known) {
        if (frontNode && !frontNode.hidden) history.replaceState(null, "", "#" + heroAddress());
        sessionStorage.setItem(PLACE_KEY, JSON.stringify(readersPlace()));
        location.reload();
      }
      known = tag;
    }).catch(() => clearInterval(timer));
  }, 2000);
}
