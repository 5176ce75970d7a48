// The chart of difficulty: Python draws it (reports/charts/difficulty.py), and this moves the marks for another choice.
const hero = document.getElementById("hero");
const LONGEST = { dataset: 20, method: 40 };  // the most characters of names
// The parts whose values are known, with the values; `filled` of reports/charts/pair_numbers.py does the same.
const filled = (parts, values) => parts.filter((part) => Array.from(part.matchAll(/{(\w+)}/g)).every(([, name]) => values[name] !== null && values[name] !== undefined))
  .map((part) => part.replace(/{(\w+)}/g, (_, name) => values[name])).join("");
// The mean difference of two methods and its intervals here and elsewhere, in 0.01 points; nulls if they are not known.
const pairOf = (data, { measure, a, b }) => {
  const [row, turned] = [[a, b], [b, a]].map(([one, other], turns) => [data.pairs[measure].find((pair) => pair[0] === one && pair[1] === other), turns]).find(([found]) => found) || [];
  if (!row) return { mean: null, here: null, elsewhere: null };
  const [here, elsewhere] = row.slice(3).map((ends) => ends && turned ? [-ends[1], -ends[0]] : ends);
  return { mean: turned ? -row[2] : row[2], here, elsewhere };
};
// The chosen pair: differences in 0.01 points by dataset, the mean with its intervals, the order, and texts.
const chosenPair = (data, { measure, a, b, x }) => {
  const rows = data.means[measure];
  const score = (method, dataset) => method === null ? null : rows[method][dataset];
  const gaps = data.datasets.map((_, dataset) => [a, b].some((method) => score(method, dataset) === null) ? null : score(a, dataset) - score(b, dataset));
  const known = gaps.filter((gap) => gap !== null);
  const [nameA, nameB, zero] = [a, b, data.baseline].map((method) => method === null ? null : data.methods[method].name);
  const pair = pairOf(data, { measure, a, b });
  const [order, places, axis, note] = data.answers[measure].orders[x ?? ""];
  const ends = (interval) => interval && interval.map((end) => signed(end / 100)).join(" to ");
  return {
    a, b, score, gaps, known, pair, order, places, zero: data.baseline, diamond: b === data.baseline ? null : b,
    texts: {
      a: nameA, b: nameB, zero, diamond: b === data.baseline ? null : nameB, axis, note, score: block.axes[measure],
      pair: [nameA, nameB].filter(Boolean).map((name) => shortened(name, LONGEST.method)).join(" minus ") + ", points",
      mean: pair.mean === null ? null : signed(pair.mean / 100), here: ends(pair.here), elsewhere: ends(pair.elsewhere),
      wins: known.filter((gap) => gap > 0).length, known: known.length || null,
      methods: rows.length > 1 ? rows.length : null,
    },
  };
};
const display = (node, shown) => node.setAttribute("display", shown ? "inline" : "none");
const write = (within, name, text) => all(`[data-text=${name}]`, within).forEach((node) => { node.textContent = text ?? "–"; });
// Shows the first scale of the differences that holds them; returns the place of a difference.
const differenceScale = (svg, gaps) => {
  const scales = all("[data-scale]", svg).map((node) => [node, JSON.parse(node.dataset.scale)]);
  const found = scales.find(([, [low, high]]) => gaps.every((gap) => 100 * low <= gap && gap <= 100 * high));
  scales.forEach((scale) => display(scale[0], scale === found));
  if (!found) return () => 0;
  const [low, high, top, bottom] = found[1];
  return (gap) => rounded(bottom - (bottom - top) * (Math.min(Math.max(gap / 100, low), high) - low) / (high - low));
};
const moveMarks = (svg, data, chosen) => {
  const { turned, start, step, zero, unit } = JSON.parse(svg.dataset.frame);
  const place = (score) => rounded(zero + unit * score / 100);
  const lower = differenceScale(svg, chosen.known);
  const point = (across, along = 0) => turned ? [across, along] : [along, across];
  const move = (node, across, along) => node.setAttribute("transform", `translate(${point(across, along)})`);
  const line = (node, ends) => {
    display(node, ends);
    ends?.forEach((end, number) => node.setAttribute((turned ? "x" : "y") + (number + 1), end));
  };
  all("[data-d]", svg).forEach((column) => {
    const dataset = Number(column.dataset.d);
    const gap = chosen.gaps[dataset];
    move(column, 0, start + step * chosen.order.indexOf(dataset));
    column.setAttribute("color", gap < 0 ? svg.dataset.loss : svg.dataset.gain);
    write(column, "name", shortened(data.datasets[dataset].title, LONGEST.dataset));
    write(column, "x", chosen.places[dataset]);
    write(column, "difference", gap === null ? "" : signed(gap / 100));
    const scores = data.methods.map((_, method) => chosen.score(method, dataset)).filter((score) => score !== null);
    column.querySelector("[data-part=others]").setAttribute("d", scores.map((score) => `M${point(place(score))}h0`).join(""));
    [["zero", chosen.zero], ["b", chosen.diamond], ["a", chosen.a]].forEach(([name, method]) => {
      const score = chosen.score(method, dataset);
      const node = column.querySelector(`[data-mark=${name}]`);
      display(node, score !== null);
      move(node, place(score));
    });
    line(column.querySelector("[data-span=link]"), gap === null ? null : [chosen.a, chosen.b].map((method) => place(chosen.score(method, dataset))));
    all("[data-part=gap]", column).forEach((node) => {
      display(node, gap !== null);
      move(node, lower(gap));
      node.querySelector("text")?.setAttribute("y", gap < 0 ? 18 : -9);
    });
  });
  all("[data-part=lower]", svg).forEach((node) => display(node, chosen.b !== null));
  all("[data-part=mean]", svg).forEach((node) => {
    display(node, chosen.pair.mean !== null);
    move(node.querySelector("[data-part=at]"), lower(chosen.pair.mean));
    ["here", "elsewhere"].forEach((name) => line(node.querySelector(`[data-span=${name}]`), chosen.pair[name]?.map(lower)));
  });
  ["mean", "score", "axis", "pair"].forEach((name) => write(svg, name, chosen.texts[name]));
};
if (hero) {
  const picture = hero.querySelector(".picture");
  const tip = hero.querySelector(".tip");
  const caption = hero.querySelector("figcaption");
  let chosen = null;
  let drawn = all(".wide [data-d]", picture).length;  // datasets of the drawing
  let pointed = null;
  // What the tip says about a dataset: its facts, both methods, their difference and the best method.
  const describe = (dataset) => {
    const [data, { measure }] = choiceNow();
    const { tips, best } = data.answers[measure];
    const scores = data.means[measure].map((row) => row[dataset]).filter((score) => score !== null);
    const methods = [chosen.a, chosen.b].map((method) => {
      const score = chosen.score(method, dataset);
      const sides = data.reach?.[measure]?.[method]?.[dataset] ?? null;
      return score === null ? "" : filled(block.words.tip, {
        name: data.methods[method].name, score: tenths(score / 100) + (sides === null ? "" : " " + reach(sides, 1)),
        rank: 1 + scores.filter((other) => other > score).length, known: scores.length,
      });
    });
    const gap = chosen.gaps[dataset];
    return [tips[dataset] + ".", ...methods, gap === null ? "" : `Difference ${signed(gap / 100)} points.`, best[dataset]].filter(Boolean);
  };
  const point = (dataset) => {
    if (dataset === pointed) return;
    pointed = dataset;
    all("[data-d]", picture).forEach((node) => node.classList.toggle("pointed", node.dataset.d === String(dataset)));
    tip.hidden = dataset === null;
    if (dataset === null) return;
    tip.replaceChildren(...describe(dataset).map((line, index) => element(index ? "span" : "b", { textContent: unbroken(line) + " " })));
    const frame = hero.getBoundingClientRect();
    const area = all(".pointed > rect", picture).map((node) => node.getBoundingClientRect()).find((box) => box.width);
    const isRow = area.width > area.height;
    const right = isRow ? (frame.width - tip.offsetWidth) / 2 : area.right - frame.left;
    tip.style.left = Math.max(0, right + tip.offsetWidth <= frame.width ? right : area.left - frame.left - tip.offsetWidth) + "px";
    tip.style.top = (isRow ? area.bottom : area.top + 98) - frame.top + "px";
  };
  const draw = () => {
    const [data, state] = choiceNow();
    if (drawn !== data.datasets.length) picture.innerHTML = block.drawings[data.datasets.length];
    drawn = data.datasets.length;
    chosen = chosenPair(data, state);
    point(null);
    all("svg", picture).forEach((svg) => moveMarks(svg, data, chosen));
    caption.textContent = unbroken(filled(block.words.caption, chosen.texts));
  };
  const open = () => { if (pointed !== null) location.hash = choiceNow()[0].datasets[pointed].address; };
  picture.addEventListener("pointermove", ({ target }) => {
    const column = target.closest("[data-d]");
    point(column && Number(column.dataset.d));
  });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("blur", () => point(null));
  picture.addEventListener("click", ({ pointerType }) => { if (pointerType !== "touch") open(); });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") point(null);
    if (event.key === "Enter") open();
    if (!step) return;
    event.preventDefault();
    const last = chosen.order.length - 1;
    const at = pointed === null ? (step > 0 ? 0 : last) : chosen.order.indexOf(pointed) + step;
    point(chosen.order[Math.min(Math.max(at, 0), last)]);
  });
  choiceListeners.push(draw);
  draw();
}
