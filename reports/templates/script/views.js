// The switch of the first screen: map, difficulty or shots. The address keeps the choice.
const viewSwitch = document.getElementById("views");
let shownView = "map";
const showView = (name) => {
  shownView = all("[data-view]").some((node) => node.dataset.view === name && !node.matches(".absent")) ? name : "map";
  all("[data-view]").forEach((node) => { node.hidden = node.dataset.view !== shownView; });
  all("button", viewSwitch).forEach((node) => node.setAttribute("aria-pressed", String(node.dataset.show === shownView)));
};
if (front) {
  addressParts.push((parts) => { if (shownView !== "map") parts.set("view", shownView); });
  const draw = (data, state) => {
    const { headline, known, caveats } = data.answers[state.measure];
    document.getElementById("headline").textContent = headline;
    document.getElementById("known").innerHTML = known;
    document.getElementById("caveats").innerHTML = caveats;
    const shots = document.querySelector("[data-view=shots]");
    shots?.classList.toggle("absent", !data.sections.shots);
    all("[data-show=shots]", viewSwitch).forEach((node) => { node.hidden = !data.sections.shots; });
    if (shownView === "shots" && !data.sections.shots) showView("map");
  };
  viewSwitch.addEventListener("click", (event) => {
    const chosen = event.target.closest("button")?.dataset.show;
    if (!chosen) return;
    showView(chosen);
    history.pushState(null, "", "#" + frontAddress());
  });
  const follow = () => { if (isFrontAddress()) showView(inAddress().get("view") || "map"); };
  addEventListener("hashchange", follow);
  choiceListeners.push(draw);
  draw(...choiceNow());
  follow();
}
