// The sections of the shown setting, and those without a setting.
const partsOf = (name) => (settingData() ? settingData().sections[name] : null) || block.sections[name];
const sectionNodes = all(".parts[data-section]");
sectionNodes.forEach((node) => drawParts(node, partsOf(node.dataset.section) || [], settingData()));
settingListeners.push(() => {
  const data = settingData();
  all("[data-setting-text]").forEach((node) => { node.textContent = data.heading; });
  all("[data-setting-title]").forEach((node) => {
    node.firstChild.textContent = data.title + " ";
    node.querySelector(".backbone").textContent = data.facets[0];
  });
  sectionNodes.filter((node) => data.sections[node.dataset.section]).forEach((node) => drawParts(node, data.sections[node.dataset.section], data));
});
