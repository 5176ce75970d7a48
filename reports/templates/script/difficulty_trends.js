// Trends: a measure is chosen, datasets are left out, and everything is computed anew in the page.
const pText = (p) => (p < 0.001 ? "< 0.001" : p < 0.1 ? p.toFixed(3) : p.toFixed(2));
const signedText = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
all(".trends").forEach((group) => {
  const data = JSON.parse(document.getElementById(group.dataset.trends).textContent);
  const panes = all("div.pane", group);
  const omitted = new Set();
  const figures = panes.map((pane) => all("figure.trend", pane).map((figure) => ({
    figure,
    contrast: Number(figure.dataset.c),
    covariate: Number(figure.dataset.v),
    line: figure.querySelector(".trend-line"),
    verdict: figure.querySelector(".verdict"),
    first: { line: figure.querySelector(".trend-line").getAttribute("d"), verdict: figure.querySelector(".verdict").cloneNode(true) },
  })));
  const choose = (pane) => {
    panes.forEach((node) => node.classList.toggle("chosen", node.dataset.pane === pane));
    all(".chip.pane", group).forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.pane === pane)));
  };
  const path = (frame, [xs, ys], x, y, fit) => {
    const [left, right, top, bottom] = frame;
    const placed = [Math.min(...x), Math.max(...x)].map((value) => {
      const height = fit.intercept + fit.slope * value;
      return (left + (right - left) * (value - xs[0]) / (xs[1] - xs[0])).toFixed(1) + "," +
        (bottom - (bottom - top) * (height - ys[0]) / (ys[1] - ys[0])).toFixed(1);
    });
    return "M" + placed.join("L");
  };
  const compute = (measure, item) => {
    const differences = measure.contrasts[item.contrast].y;
    const along = measure.x[item.covariate];
    const kept = Object.keys(differences).filter((name) => name in along && !omitted.has(name));
    const x = kept.map((name) => along[name]);
    const y = kept.map((name) => differences[name]);
    return { x, y, found: correlate(x, y), fit: fitLine(x, y) };
  };
  const redraw = () => panes.forEach((pane, index) => {
    const measure = data[index];
    const results = figures[index].map((item) => compute(measure, item));
    const tested = results.filter((result) => result.found);
    holm(tested.map((result) => result.found.p)).forEach((p, place) => { tested[place].corrected = p; });
    figures[index].forEach((item, place) => {
      all("circle", item.figure).forEach((mark) => mark.classList.toggle("out", omitted.has(mark.dataset.d)));
      if (omitted.size === 0) {
        item.line.setAttribute("d", item.first.line);
        item.verdict.className = item.first.verdict.className;
        item.verdict.innerHTML = item.first.verdict.innerHTML;
        return;
      }
      const { x, y, found, fit, corrected } = results[place];
      const sound = found && fit && fit.conclusive;
      const verdict = !sound ? "inconclusive" : corrected > LEVEL ? "not beyond chance" : found.rho > 0 ? "rises" : "falls";
      const scales = measure.contrasts[item.contrast].scales[item.covariate];
      item.line.setAttribute("d", sound ? path(measure.frame, scales, x, y, fit) : "");
      item.verdict.className = "verdict v-" + verdict.replaceAll(" ", "-");
      item.verdict.querySelector("b").textContent = verdict;
      item.verdict.querySelector("span").textContent = found
        ? `ρ ${signedText(found.rho)} over ${found.n}, p ${found.p < 0.001 ? "" : "= "}${pText(found.p)}, corrected ${pText(corrected)}`
        : "needs three datasets";
    });
  });
  group.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    if (chip.classList.contains("pane")) { choose(chip.dataset.pane); return; }
    const out = chip.getAttribute("aria-pressed") !== "true";
    chip.setAttribute("aria-pressed", String(out));
    if (out) omitted.add(chip.dataset.d); else omitted.delete(chip.dataset.d);
    redraw();
  });
  choose(panes[panes.length - 1].dataset.pane);
});
