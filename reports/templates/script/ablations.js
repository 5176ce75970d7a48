// Ablations: pairs of methods that differ in one component, against properties of the datasets. Any dataset can be left out.
const PANEL = { width: 250, height: 138, left: 40, right: 244, top: 8, bottom: 116 };
const panelAxes = (contrast, panel, log) => {
  const along = (value) => log ? Math.log(value) : value;
  const range = (values, share, least) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = share * (high - low) || least;
    return [low - pad, high + pad];
  };
  const [xLow, xHigh] = range(panel.points.map(([, x]) => along(x)), 0.06, 0.5);
  const [yLow, yHigh] = range(contrast.panels.flatMap((other) => other.points.map(([, , y]) => y)).concat(0), 0.08, 100);
  return [
    (value) => rounded(PANEL.left + (PANEL.right - PANEL.left) * (along(value) - xLow) / (xHigh - xLow)),
    (value) => rounded(PANEL.bottom - (PANEL.bottom - PANEL.top) * (value - yLow) / (yHigh - yLow)),
  ];
};
const resultText = ([, rho, n, p, corrected]) => rho === null || p === null || corrected === null ? "needs three datasets"
  : `ρ ${signed(rho, 2)} over ${n}, ${pText(p)}, corrected ${pText(corrected).replace("p = ", "").replace("p ", "")}`;
const panelFigure = (data, trends, contrast, panel, covariate, out) => {
  const [name, title, hint, log] = covariate;
  const result = out !== null && panel.without[out] ? panel.without[out] : panel.result;
  const [verdict, , , , , ends] = result;
  const parts = [`<path class="axis" d="M${PANEL.left},${PANEL.top}V${PANEL.bottom}H${PANEL.right}"/>`];
  if (panel.points.length) {
    const [toX, toY] = panelAxes(contrast, panel, log);
    const line = ends ? `M${toX(ends[0][0])},${toY(ends[0][1])}L${toX(ends[1][0])},${toY(ends[1][1])}` : "";
    parts.push(`<path class="zero" d="M${PANEL.left},${toY(0)}H${PANEL.right}"/><path class="trend-line" d="${line}"/>`);
    const heights = contrast.panels.flatMap((other) => other.points.map(([, , y]) => y));
    const labels = [0];
    [Math.min(...heights), Math.max(...heights)].forEach((value) => { if (labels.every((other) => Math.abs(toY(value) - toY(other)) > 12)) labels.push(value); });
    parts.push(...labels.map((value) => `<text x="${PANEL.left - 4}" y="${toY(value) + 4}" text-anchor="end">${signedTenths(value)}</text>`));
    const xs = panel.points.map(([, x]) => x).sort((p, q) => p - q);
    const text = (value) => name === "zero_shot_error" ? (100 * value).toFixed(0) + " %" : Number(value.toPrecision(2));
    parts.push(`<text x="${PANEL.left}" y="${PANEL.bottom + 15}">${text(xs[0])}</text><text x="${PANEL.right}" y="${PANEL.bottom + 15}" text-anchor="end">${text(xs.at(-1))}</text>`);
    parts.push(...panel.points.map(([dataset, x, y]) => `<circle cx="${toX(x)}" cy="${toY(y)}" r="4"${dataset === out ? ' class="out"' : ""}><title>${escaped(data.datasets[dataset].title)}: ${signedPoints(y)} points at ${Number(x.toPrecision(4))}</title></circle>`));
  }
  const fewer = out === null && trends.leftOut !== null ? panel.without[trends.leftOut] : null;
  const also = fewer && fewer[1] !== null ? `; ρ ${signed(fewer[1], 2)} without ${escaped(data.datasets[trends.leftOut].title)}` : "";
  const label = escaped(`${contrast.pair.join(" minus ")} against ${title}, ${verdict}`);
  return `<figure class="trend"><figcaption class="covariate" title="${escaped(hint)}">${escaped(title)}</figcaption>` +
    `<svg role="img" aria-label="${label}" viewBox="0 0 ${PANEL.width} ${PANEL.height}" width="${PANEL.width}" height="${PANEL.height}" font-size="11">${parts.join("")}</svg>` +
    `<p class="verdict v-${verdict.replaceAll(" ", "-")}"><b>${verdict}</b> <span>${resultText(result)}${also}</span></p></figure>`;
};
blocks.ablations = (data, place) => {
  place.textContent = "Loading …";
  evidence(data.anchor).then(({ ablations }) => {
    let [chosen, out] = [ablations.length - 1, null];
    const draw = () => {
      const trends = ablations[chosen];
      const chips = ablations.length < 2 ? "" : `<div class="chips" role="group" aria-label="Accuracy on">${ablations.map(({ title }, index) =>
        `<button type="button" class="chip pane" data-pane="${index}" aria-pressed="${index === chosen}">${escaped(title)}</button>`).join("")}</div>`;
      const omit = `<div class="chips" role="group" aria-label="Leave out one dataset"><span>Leave out</span>${data.datasets.map(({ title }, dataset) =>
        `<button type="button" class="chip omit" data-d="${dataset}" aria-pressed="${dataset === out}">${escaped(shortened(title, 24))}</button>`).join("")}</div>`;
      const contrasts = trends.contrasts.map((contrast) => `<div class="contrast"><div class="contrast-name"><b>${escaped(contrast.part[0].toUpperCase() + contrast.part.slice(1))}</b><span>${escaped(contrast.pair.join(" − "))}</span><span>mean <b>${signedPoints(contrast.mean)}</b> points over ${counted(contrast.panels[0].result[2], "dataset")}</span></div>` +
        contrast.panels.map((panel, index) => panelFigure(data, trends, contrast, panel, trends.covariates[index], out)).join("") + "</div>").join("");
      place.innerHTML = `<div class="trend-tools">${chips}${omit}</div><p class="pane-title">${escaped(trends.title)} <span class="faint">Holm correction over ${counted(trends.tests, "test")}</span></p>` +
        (contrasts || '<p class="missing">No such pair has been run for this measure.</p>');
    };
    place.addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip) return;
      if (chip.dataset.pane !== undefined) chosen = Number(chip.dataset.pane);
      else out = Number(chip.dataset.d) === out ? null : Number(chip.dataset.d);
      const again = chip.dataset.pane !== undefined ? `[data-pane="${chosen}"]` : `[data-d="${chip.dataset.d}"]`;
      draw();
      place.querySelector(again).focus();
    });
    draw();
  });
};
