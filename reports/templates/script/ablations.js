// Ablations: pairs of methods that differ in one component. A score is chosen, and a dataset that is left out.
const panelFigure = ({ title, hint, svg }) => `<figure class="trend"><figcaption class="covariate" title="${escaped(hint)}">${escaped(title)}</figcaption>${svg}<p class="verdict"><b></b> <span></span></p></figure>`;
const leaveOut = (node, { results }, out) => {
  const [verdict, text] = results[out] || results[""];
  const line = results[out] ? out : "";
  all(".trend-line", node).forEach((path) => { path.style.display = path.dataset.out === line ? "" : "none"; });
  all("circle", node).forEach((circle) => circle.classList.toggle("out", circle.dataset.d === out));
  node.querySelector(".verdict").className = "verdict v-" + verdict.replaceAll(" ", "-");
  node.querySelector("b").textContent = verdict;
  node.querySelector(".verdict span").textContent = text;
};
blocks.ablations = (data, place) => {
  place.textContent = "Loading …";
  evidence(data.anchor).then(({ ablations }) => {
    let [chosen, out] = [ablations.length - 1, ""];
    const chip = (name, value, text, pressed) => `<button type="button" class="chip ${name}" data-value="${value}" aria-pressed="${pressed}">${escaped(text)}</button>`;
    const draw = () => {
      const { title, tests, contrasts } = ablations[chosen];
      const chips = ablations.length < 2 ? "" : `<div class="chips" role="group" aria-label="Accuracy on">${ablations.map((one, index) => chip("pane", index, one.title, index === chosen)).join("")}</div>`;
      const omit = `<div class="chips" role="group" aria-label="Leave out one dataset"><span>Leave out</span>${data.datasets.map((one, index) => chip("omit", index, shortened(one.title, 24), String(index) === out)).join("")}</div>`;
      const rows = contrasts.map(({ part, pair, mean, panels }) => `<div class="contrast"><div class="contrast-name"><b>${escaped(part)}</b><span>${escaped(pair)}</span><span>${escaped(mean)}</span></div>${panels.map(panelFigure).join("")}</div>`).join("");
      place.innerHTML = `<div class="trend-tools">${chips}${omit}</div><p class="pane-title">${escaped(title)} <span class="faint">${escaped(tests)}</span></p>` +
        (rows || '<p class="missing">No such pair has been run for this measure.</p>');
      const panels = contrasts.flatMap((contrast) => contrast.panels);
      all(".trend", place).forEach((node, index) => leaveOut(node, panels[index], out));
    };
    place.addEventListener("click", (event) => {
      const pressed = event.target.closest(".chip");
      if (!pressed) return;
      const { value } = pressed.dataset;
      const name = pressed.matches(".pane") ? "pane" : "omit";
      if (name === "pane") chosen = Number(value);
      else out = value === out ? "" : value;
      draw();
      place.querySelector(`.${name}[data-value="${value}"]`).focus();
    });
    draw();
  });
};
