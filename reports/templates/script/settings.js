// Settings: every section shows one setting at a time, chosen by backbone, protocol, shots and draw.
const FACETS = [["backbone", "Backbone"], ["protocol", "Protocol"], ["shots", "Shots"], ["draw", "Draw"]];
const settings = all(".setting[data-backbone]");
const pickers = new Map();
const settingListeners = [];
const facetsOf = (node) => FACETS.map(([name]) => node.dataset[name]);
const chooseSetting = (name) => {
  all(".setting").forEach((node) => node.classList.toggle("chosen", node.dataset.setting === name));
  const chosen = settings.find((node) => node.dataset.setting === name);
  pickers.forEach((select, facet) => { select.value = chosen.dataset[facet]; });
  settingListeners.forEach((listen) => listen(name));
};
// Among the settings with that value, the most similar to the current one.
const nearest = (facet, value) => {
  const now = facetsOf(settings.find((node) => node.classList.contains("chosen")));
  const likeness = (node) => facetsOf(node).filter((text, index) => text === now[index]).length;
  return settings.filter((node) => node.dataset[facet] === value).sort((a, b) => likeness(b) - likeness(a))[0];
};
if (settings.length) {
  FACETS.forEach(([facet, title]) => {
    const values = Array.from(new Set(settings.map((node) => node.dataset[facet])));
    if (values.length < 2) return;
    const label = document.createElement("label");
    const select = document.createElement("select");
    values.forEach((value) => select.add(new Option(value, value)));
    select.addEventListener("change", () => chooseSetting(nearest(facet, select.value).dataset.setting));
    label.append(title + " ", select);
    document.getElementById("chooser").append(label);
    pickers.set(facet, select);
  });
  chooseSetting(settings[0].dataset.setting);
}
