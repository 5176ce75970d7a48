// The chart of difficulty: the two chosen methods on datasets from easy to hard.
const hero = document.getElementById("hero");
let drawHero = () => {};  // draws the chart again if its width has changed
if (hero) {
  const picture = hero.querySelector(".picture");
  const tip = hero.querySelector(".tip");
  const caption = hero.querySelector("figcaption");
  let shown = null;
  let pointed = null;
  let width = 0;
  const state = choiceNow()[1];
  const now = () => { const [data] = choiceNow(); return [data, numbersOf(data)]; };
  const value = (found) => tenths(found.mean) + (found.half === null ? "" : " " + reach(found.sides, " ", tenths));
  const describe = (dataset) => {
    const [data, numbers] = now();
    const answer = data.answers[state.measure];
    const all = data.methods.map((_, method) => numbers.score(state.measure, method, dataset));
    const facts = [answer.classes[dataset] ? answer.classes[dataset] + " classes" : null,
      answer.zeroShot[dataset] === null ? null : "zero-shot " + (100 * answer.zeroShot[dataset]).toFixed(1) + " %" + (["H", "open"].includes(state.measure) ? " over all classes" : "")].filter(Boolean);
    const parts = [data.datasets[dataset].title + (facts.length ? ": " + facts.join(", ") : "") + "."];
    [state.a, state.b].filter((method) => method !== null && all[method]).forEach((method) => {
      const rank = 1 + all.filter((found) => found && found.mean > all[method].mean).length;
      parts.push(`${data.methods[method].name} ${value(all[method])} % (rank ${rank} of ${all.filter(Boolean).length}).`);
    });
    const found = state.b === null ? null : numbers.difference(state.measure, state.a, state.b, dataset);
    if (found !== null) parts.push(`Difference ${signed(found)} points.`);
    const best = all.reduce((top, item, method) => item && (top === null || item.mean > all[top].mean) ? method : top, null);
    if (best !== null) parts.push(`Best here: ${data.methods[best].name} ${tenths(all[best].mean)} %.`);
    return parts;
  };
  const point = (dataset) => {
    if (dataset === pointed) return;
    pointed = dataset;
    all("[data-d]", picture).forEach((node) => node.classList.toggle("pointed", node.dataset.d === String(dataset)));
    tip.hidden = dataset === null;
    if (dataset === null) return;
    const lines = describe(dataset);
    tip.replaceChildren(...lines.map((line, index) => element(index ? "span" : "b", { textContent: unbroken(line) + " " })));
    const svg = picture.querySelector("svg");
    const zoom = svg.clientWidth / svg.viewBox.baseVal.width;
    const [x, y] = shown.at(dataset).map((place) => place * zoom);
    const room = picture.clientWidth - tip.offsetWidth;
    tip.style.left = (shown.horizontal ? Math.max(0, x + 16 <= room ? x + 16 : x - tip.offsetWidth - 16) : Math.max(0, room / 2)) + "px";
    tip.style.top = picture.offsetTop + (shown.horizontal ? y : y + 14) + "px";
  };
  const nearest = (event) => {
    const box = picture.querySelector("svg").getBoundingClientRect();
    const zoom = box.width / picture.querySelector("svg").viewBox.baseVal.width;
    const place = shown.horizontal ? (event.clientX - box.left) / zoom : (event.clientY - box.top) / zoom;
    const axis = shown.horizontal ? 0 : 1;
    return shown.order.reduce((best, dataset) => Math.abs(shown.at(dataset)[axis] - place) < Math.abs(shown.at(best)[axis] - place) ? dataset : best);
  };
  const draw = () => {
    const [data, numbers] = now();
    width = hero.clientWidth || WIDE.width;  // hidden, but printed
    const narrow = width < 600;
    shown = narrow ? rowPicture(data, numbers, state, width) : widePicture(data, numbers, state);
    pointed = null;
    tip.hidden = true;
    picture.innerHTML = shown.svg;
    const names = [state.a, state.b].map((method) => method === null ? "" : data.methods[method].name);
    const found = state.b === null ? [] : numbers.differences(state.measure, state.a, state.b).filter((item) => item !== null);
    const mean = found.length ? numbers.overDatasets(state.measure, found) : null;
    const wins = found.filter((item) => item > 0).length;
    const text = mean ? `${names[0]} minus ${names[1]}: mean ${signed(mean.mean)} points` + (mean.half === null ? "" :
      `, 95 % interval on datasets like these ${signed(mean.mean - mean.half)} to ${signed(mean.mean + mean.half)}`) + `; ${names[0]} is ahead on ${wins} of ${found.length}.` : names[0] + ".";
    const [first, second] = names.map((name) => shortened(name, 40));
    const other = state.b === null ? "" : `${state.b === data.baseline ? "Dash" : "Diamond"}: ${second}. `;
    const labelled = data.methods.length > 1 ? `Disc: ${first}. ${other}Grey: all ${data.methods.length} methods. ` : "";
    const below = state.b === null ? "" : narrow ? `At the right: ${first} minus ${second}. ` : "Below: the difference, in the colour of the method that is ahead. ";
    const fit = picture.querySelector(".fit") ? " Dashed: trend over the datasets." : "";
    const apart = narrow || !data.axes.length ? "" : " Datasets of nearly equal difficulty are moved apart.";
    caption.textContent = unbroken(`${labelled}${below}${text}${fit}${apart}`);
    picture.setAttribute("aria-label", `Accuracy against difficulty on ${counted(data.datasets.length, "dataset")}. ${text} Arrow keys read out one dataset after the other.`);
  };
  picture.addEventListener("pointermove", (event) => { if (shown) point(nearest(event)); });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = shown.order.indexOf(pointed);
    if (event.key === "Escape") point(null);
    if (event.key === "Enter" && pointed !== null) location.hash = now()[0].datasets[pointed].address;
    if (!step) return;
    event.preventDefault();
    point(shown.order[at < 0 ? (step > 0 ? 0 : shown.order.length - 1) : Math.min(Math.max(at + step, 0), shown.order.length - 1)]);
  });
  picture.addEventListener("click", () => { if (pointed !== null && shown.horizontal) location.hash = now()[0].datasets[pointed].address; });
  picture.addEventListener("blur", () => point(null));
  hero.append(saveButtons(() => picture.querySelector("svg"), "accuracy-and-difficulty"));
  let timer = 0;
  new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(drawHero, 60);
  }).observe(hero);
  choiceListeners.push(draw);
  drawHero = () => { if (![0, width].includes(hero.clientWidth)) draw(); };
  draw();
}
