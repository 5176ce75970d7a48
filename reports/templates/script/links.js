// A link to a part of another setting chooses that setting; one into a fold opens it.
const openTarget = () => {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id || !frontNode || frontNode.hidden) return;
  const anchor = Object.keys(block.settings).filter((name) => id === name || id.startsWith(name + "-")).sort((p, q) => q.length - p.length)[0];
  if (anchor) chooseSetting(anchor);
  const source = id.startsWith("source-") ? document.getElementById("sources") : null;
  if (source && !document.getElementById(id)) {
    source.open = true;
    fillFold(source, partsOf("published_sources")[0][4], settingData());
  }
  const target = document.getElementById(id);
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", openTarget);
openTarget();
root.classList.add("ready");
