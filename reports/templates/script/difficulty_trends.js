// Difficulty trends: choose a measure, and leave out one dataset. The results without it are in the page.
all(".trends").forEach((group) => {
  const panes = all("div.pane", group);
  const leavingOut = JSON.parse(document.getElementById(group.dataset.trends).textContent);
  const figures = panes.flatMap((pane, index) => all("figure.trend", pane).map((figure) => {
    const line = figure.querySelector(".trend-line");
    const verdict = figure.querySelector(".verdict");
    const [word, text] = verdict.children;
    return {
      figure, line, verdict, word, text,
      complete: [word.textContent, text.textContent, line.getAttribute("d")],
      leavingOut: leavingOut[index][figure.dataset.c][figure.dataset.v],
    };
  }));
  const choose = (pane) => {
    panes.forEach((node) => node.classList.toggle("chosen", node.dataset.pane === pane));
    all(".chip.pane", group).forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.pane === pane)));
  };
  const leaveOut = (dataset) => figures.forEach((item) => {
    const [verdict, text, path] = item.leavingOut[dataset] || item.complete;
    all("circle", item.figure).forEach((point) => point.classList.toggle("out", point.dataset.d === dataset));
    item.verdict.className = "verdict v-" + verdict.replaceAll(" ", "-");
    item.word.textContent = verdict;
    item.text.textContent = text;
    item.line.setAttribute("d", path);
  });
  group.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    if (chip.classList.contains("pane")) { choose(chip.dataset.pane); return; }
    const out = chip.getAttribute("aria-pressed") !== "true";
    all(".chip.omit", group).forEach((other) => other.setAttribute("aria-pressed", String(out && other === chip)));
    leaveOut(out ? chip.dataset.d : null);
  });
  choose(panes[panes.length - 1].dataset.pane);
});
