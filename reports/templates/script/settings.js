// Settings: the sections show one at a time, chosen by backbone, protocol, shots, draw and compared datasets.
const FACETS = ["Backbone", "Protocol", "Shots", "Draw", "Runs"];
const FACET_TEXT = { Shots: (value) => Number(value) ? counted(Number(value), "shot") : value, Runs: (value) => value === "all" ? "all runs" : value };
const SPLIT_NAMES = { base: "Base classes", new: "New classes", "open-base": "Base images among all names", "open-new": "New images among all names", all: "All classes" };
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
const drawPickers = () => {
  const chooser = document.getElementById("chooser");
  pickers.clear();
  chooser?.replaceChildren();
  FACETS.forEach((title, facet) => {
    const values = Array.from(new Set(Object.values(block.settings).map((data) => data.facets[facet])));
    if (values.length < 2) return;
    const select = addSelect(chooser, [], values.map((value) => [value, FACET_TEXT[title]?.(value) ?? value]), settingData().facets[facet], (value) => {
      chooseSetting(nearestSetting(facet, value));
      if (!frontNode.hidden) history.pushState(null, "", "#" + frontAddress());
    });
    select.ariaLabel = title;
    pickers.set(facet, select);
  });
};
drawPickers();
// What a method changed on a dataset, where the page has the predictions.
const errorsAddress = (anchor, data, method, dataset) => "look=" + [anchor, data.methods[method].key, data.datasets[dataset].name].map(encodeURIComponent).join("/");
const hasErrors = () => document.getElementById("evidence-lists") !== null;
// A score and its interval in per cent as texts; null without one.
const pm = (data, measure, method, dataset) => {
  const score = data.means[measure][method][dataset];
  return score === null ? null : [(score / 100).toFixed(2), reach(data.reach?.[measure]?.[method][dataset] ?? null, 2)];
};
