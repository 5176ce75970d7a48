// Search in headings, cards and run ids; choosing a result opens it.
const searchBox = document.getElementById("search");
if (searchBox) {
  const found = document.getElementById("found");
  let index = null;
  const entriesOf = () => all("main h2, main h3, main h4, main details.card > summary, main details.runs code").map((node) => {
    const setting = node.closest(".setting");
    const part = node.closest(".part");
    return {
      node,
      text: (node.querySelector("b") || node).textContent.trim().replace(/\s+/g, " "),
      whole: node.textContent.toLowerCase(),
      where: [part && part.querySelector("h2").textContent, setting && setting.querySelector(".setting-name").textContent.trim()]
        .filter(Boolean).join(", ").replace(/\s+/g, " "),
    };
  });
  const reach = (node) => {
    for (let at = node; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (at.classList.contains("setting")) chooseSetting(at.dataset.setting);
    }
    found.replaceChildren();
    node.scrollIntoView({ block: "center" });
    node.setAttribute("tabindex", "-1");
    node.focus({ preventScroll: true });
  };
  const search = () => {
    const wanted = searchBox.value.trim().toLowerCase();
    if (wanted.length < 2) { found.replaceChildren(); return; }
    index = index || entriesOf();
    const hits = index.filter((entry) => entry.whole.includes(wanted)).slice(0, 12);
    found.replaceChildren(...hits.map((entry) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      const place = document.createElement("span");
      const at = entry.whole.indexOf(wanted);
      button.textContent = entry.text.length > 60 ? "… " + entry.whole.slice(Math.max(0, at - 8), at + 40) : entry.text;
      place.textContent = " " + entry.where;
      button.append(place);
      button.addEventListener("click", () => reach(entry.node));
      item.append(button);
      return item;
    }));
    if (!hits.length) found.replaceChildren(Object.assign(document.createElement("li"), { textContent: "No results on this page." }));
  };
  let timer = 0;
  searchBox.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 120); });
  searchBox.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { searchBox.value = ""; search(); }
    if (event.key === "Enter") { search(); const first = found.querySelector("button"); if (first) first.click(); }
  });
}
