// Settings: the sections show one at a time, chosen by backbone, protocol, shots and draw.
const FACETS = ["Backbone", "Protocol", "Shots", "Draw"];
const settingListeners = [];  // called with the anchor of the new setting
const pickers = new Map();
let currentSetting = block.first;
const settingData = () => block.settings[currentSetting];
const chooseSetting = (anchor) => {
  if (anchor === currentSetting || !block.settings[anchor]) return;
  currentSetting = anchor;
  pickers.forEach((select, facet) => { select.value = settingData().facets[facet]; });
  settingListeners.forEach((listen) => listen(anchor));
};
// Among the settings with that value, the most similar to the current one.
const nearestSetting = (facet, value) => {
  const likeness = ([, data]) => data.facets.filter((text, index) => text === settingData().facets[index]).length;
  return Object.entries(block.settings).filter(([, data]) => data.facets[facet] === value).sort((p, q) => likeness(q) - likeness(p))[0][0];
};
FACETS.forEach((title, facet) => {
  const values = Array.from(new Set(Object.values(block.settings).map((data) => data.facets[facet])));
  if (values.length < 2) return;
  const label = document.createElement("label");
  const select = document.createElement("select");
  values.forEach((value) => select.add(new Option(value, value, false, value === settingData().facets[facet])));
  select.addEventListener("change", () => {
    chooseSetting(nearestSetting(facet, select.value));
    if (!frontNode.hidden) history.pushState(null, "", "#" + heroAddress());
  });
  label.append(title + " ", select);
  document.getElementById("chooser").append(label);
  pickers.set(facet, select);
});
