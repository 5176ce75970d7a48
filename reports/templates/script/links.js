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
// The address keeps the folds that are open.
const openFolds = () => all("details[id][open]", frontNode).map(({ id }) => id);
if (frontNode) {
  addressParts.push((parts) => { if (openFolds().length) parts.set("open", openFolds().join(",")); });
  const restoreFolds = () => {
    if (!isFrontAddress()) return;
    const wanted = (inAddress().get("open") || "").split(",");
    all("details[id]", frontNode).forEach((node) => { node.open = wanted.includes(node.id); });
  };
  restoreFolds();
  addEventListener("hashchange", restoreFolds);
  frontNode.addEventListener("toggle", ({ target }) => { if (target.id && isFrontAddress()) keepChoice(); }, true);
}
root.classList.add("ready");
