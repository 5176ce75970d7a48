// Following a link chooses the setting of its target and opens its card; printing opens all cards.
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
    if (node.classList.contains("setting")) chooseSetting(node.dataset.setting);
  }
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", open);
open();
addEventListener("beforeprint", () => all("details.card").forEach((card) => { card.open = true; }));
