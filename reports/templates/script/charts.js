// Cost and learning curves for the chosen x axis, with a tooltip at the nearest point.
const PLOT = { width: 860, height: 360, left: 52, right: 690, top: 30, bottom: 312, gap: 15, name: 24 };
const COST_AXES = {
  train_seconds: ["Preparation and training time", 0.1, "time"],
  test_seconds: ["Preparation and evaluation time", 0.1, "time"],
  parameters: ["Trainable parameters", 100, "count"],
  passes: ["Tower passes: images and texts", 10, "count"],
  memory: ["Peak memory above the start", 1, "size", 2 ** 20],
};
const TIME_AXES = [["Share of the training", "share"], ["Preparation and training time", "time"], ["Optimiser steps", "count"]];
const digits3 = (value, digits) => String(Number(value.toPrecision(digits)));
const UNITS = {
  time: (value) => value < 0.005 ? "0 s" : value < 10 ? digits3(value, 2) + " s" : value < 120 ? value.toFixed(0) + " s" : value < 7200 ? (value / 60).toFixed(1) + " min" : (value / 3600).toFixed(1) + " h",
  count: (value) => {
    const found = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([size]) => value >= size);
    return found ? digits3(value / found[0], 3) + found[1] : value.toFixed(0);
  },
  share: (value) => (100 * value).toFixed(0) + " %",
  size: (value) => value < 2 ** 30 ? (value / 2 ** 20).toFixed(0) + " MiB" : (value / 2 ** 30).toFixed(1) + " GiB",
};
const between = (low, high, from, to) => (value) => rounded(from + (to - from) * (value - low) / (high - low));
const linearAxis = (values, from, to) => {
  const [least, largest] = [Math.min(...values), Math.max(...values)];
  const room = 0.06 * (largest - least) || 0.01 * (Math.abs(largest) || 1);
  return { at: between(least - room, largest + room, from, to), ticks: linearTicks(least - room, largest + room, 6) };
};
// Logarithmic; with a constant it is linear below about that value, so that it shows 0.
const logAxis = (values, from, to, constant) => {
  const along = (value) => constant ? Math.log1p(value / constant) : Math.log(value);
  const [least, largest] = [Math.min(...values), Math.max(...values)];
  const room = 0.05 * (along(largest) - along(least)) || 0.5;
  const [low, high] = [along(least) - room, along(largest) + room];
  const place = between(low, high, from, to);
  let powers = [];
  for (let e = Math.floor(Math.log10(constant || least)); e <= Math.ceil(Math.log10(Math.max(largest, constant || least))); e += 1) powers.push(Number("1e" + e));
  if (!constant && powers.filter((power) => least <= power && power <= largest).length < 3) powers = powers.flatMap((power) => [1, 2, 5].map((m) => m * power));
  let ticks = (constant ? [0, ...powers] : powers).filter((tick) => low <= along(tick) && along(tick) <= high);
  if (!ticks.length) ticks = linearTicks(least, largest, 4);
  return { at: (value) => place(along(value)), ticks: ticks.length ? ticks : [least] };
};
const plotFrame = (x, y, xTitle, text) => {
  const { left, right, bottom, height } = PLOT;
  let last = -Infinity;
  const ticks = x.ticks.map((tick) => {
    if (x.at(tick) - last < 40) return "";
    last = x.at(tick);
    return `<text class="tick" x="${last}" y="${bottom + 17}" text-anchor="middle">${text(tick)}</text>`;
  }).join("");
  return `<path class="grid" d="${y.ticks.map((tick) => `M${left},${y.at(tick)}H${right}`).join("")}"/><path class="zero" d="M${left},${bottom}H${right}"/>` +
    y.ticks.map((tick) => `<text class="tick" x="${left - 8}" y="${y.at(tick) + 4}" text-anchor="end">${tick}</text>`).join("") + ticks +
    `<text class="panel" x="${left - 44}" y="16">Accuracy, %</text><text x="${(left + right) / 2}" y="${height - 8}" text-anchor="middle">${escaped(xTitle)}</text>`;
};
// The two methods of the first screen by key, and its measure: {measure, a, b}. They have colours; all others are grey and below.
let pairShown = null;
const LAYERS = ["other", "b", "a"];
const sideOf = (data, method) => LAYERS.find((side) => pairShown[side] === data.methods[method].key) || "other";
const byLayer = (p, q) => LAYERS.indexOf(p.side) - LAYERS.indexOf(q.side);
const plotMark = (x, y, side, radius, tip) => (side[0] === "b" ? `<path class="mark ${side}" cx="${x}" cy="${y}" d="M${x},${rounded(y - 5)}l5,5l-5,5l-5,-5z"` : `<circle class="mark ${side}" cx="${x}" cy="${y}" r="${radius}"`) + ` data-tip="${escaped(tip)}"/>`;
const plotSteps = (points, kind) => points.length ? `<path class="${kind}" d="M${points[0].join(",")}${points.slice(1).map(([x, y]) => `H${x}V${y}`).join("")}"/>` : "";
// The names of the two methods at the right of their points, apart from each other.
const plotNames = (points) => {
  const falling = points.filter((point) => point.side !== "other").sort((p, q) => p.y - q.y);
  const heights = spreadOut(falling.map((point) => point.y), PLOT.gap, PLOT.top - 14, PLOT.bottom).map(rounded);
  return falling.map(({ x, name, side }, index) => `<text class="name ${side}" x="${x + 10}" y="${heights[index] + 4}"><title>${escaped(name)}</title>${escaped(shortened(name, PLOT.name))}</text>`).join("");
};
const chartKinds = {
  costs: {
    label: "Cost as",
    axes: (data) => data.costs.axes.map((axis) => COST_AXES[axis][0]),
    draw: (data, axis) => {
      const [title, constant, unit, size = 1] = COST_AXES[data.costs.axes[axis]];
      const points = data.costs.points.map(([method, value, half, ...costs]) => ({ name: data.methods[method].name, side: sideOf(data, method), value: value / 100, pm: half === null ? "" : " " + reach(half, " "), cost: costs[axis][0], front: costs[axis][1], text: costs[axis][2] }));
      const x = logAxis(points.map((point) => point.cost / size), PLOT.left, PLOT.right, constant);
      const y = linearAxis(points.map((point) => point.value), PLOT.bottom, PLOT.top);
      points.forEach((point) => Object.assign(point, { x: x.at(point.cost / size), y: y.at(point.value) }));
      const front = points.filter((point) => point.front).sort((p, q) => p.x - q.x || p.y - q.y);
      return plotFrame(x, y, title, (tick) => UNITS[unit](tick * size)) + plotSteps(front.map((point) => [point.x, point.y]), "front") +
        points.sort(byLayer).map((point) => plotMark(point.x, point.y, point.side + (point.front === null ? " hollow" : ""), 5,
          `${point.name}: ${point.value.toFixed(2)}${point.pm} % with ${UNITS[unit](point.cost)}. Pareto: ${point.text}.`)).join("") + plotNames(points);
    },
  },
  curves: {
    label: "Time as",
    axes: () => TIME_AXES.map(([title]) => title),
    draw: (data, axis) => {
      const [title, unit] = TIME_AXES[axis];
      const curves = data.curves.lines.map(([method, points]) => ({ name: data.methods[method].name, side: sideOf(data, method), points: points.map((point) => [Math.max(point[axis], 1e-3), point[3] / 100]) })).sort(byLayer);
      const baseline = data.curves.baseline;
      const x = logAxis(curves.flatMap((curve) => curve.points.map((point) => point[0])), PLOT.left, PLOT.right, 0);
      const y = linearAxis(curves.flatMap((curve) => curve.points.map((point) => point[1])).concat(baseline === null ? [] : baseline / 100), PLOT.bottom, PLOT.top);
      const ends = [];
      const lines = curves.map(({ name, side, points }) => {
        const places = points.map(([at, value]) => [x.at(at), y.at(value)]);
        ends.push({ name, side, x: places.at(-1)[0], y: places.at(-1)[1] });
        return `<g>${plotSteps(places, "curve " + side)}${places.map((place, number) => plotMark(...place, side, 3.5, `${name}: ${points[number][1].toFixed(2)} % after ${UNITS[unit](points[number][0])}`)).join("")}</g>`;
      }).join("");
      const level = baseline === null ? null : { name: data.methods[data.baseline].name, side: sideOf(data, data.baseline), x: PLOT.right, y: y.at(baseline / 100) };
      return plotFrame(x, y, title + " (log scale)", UNITS[unit]) +
        (level ? `<path class="front ${level.side}" d="M${PLOT.left},${level.y}H${PLOT.right}"/>` : "") + lines + plotNames(level ? [...ends, level] : ends);
    },
  },
};
const drawChart = (kind, data, axis) => `<svg viewBox="0 0 ${PLOT.width} ${chartKinds[kind].height?.(data) ?? PLOT.height}" aria-hidden="true">${chartKinds[kind].draw(data, axis)}</svg>`;
// A tooltip at the nearest mark; arrow keys walk the marks from left to right.
const bindTips = (figure) => {
  const picture = figure.querySelector(".picture");
  const tip = figure.querySelector(".tip");
  let at = null;
  const marks = () => all("[data-tip]", picture).map((node) => ({ node, x: +node.getAttribute("cx"), y: +node.getAttribute("cy") }));
  const point = (mark) => {
    if (at) at.node.classList.remove("pointed");
    at = mark;
    tip.hidden = !mark;
    if (!mark) return;
    mark.node.classList.add("pointed");
    tip.textContent = mark.node.dataset.tip;
    const svg = picture.querySelector("svg");
    const zoom = svg.clientWidth / svg.viewBox.baseVal.width;
    const x = mark.x * zoom - picture.scrollLeft;
    tip.style.left = (x + 16 + tip.offsetWidth <= figure.clientWidth ? x + 16 : Math.max(0, x - tip.offsetWidth - 16)) + "px";
    tip.style.top = picture.offsetTop + mark.y * zoom + 14 + "px";
  };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.querySelector("svg").getBoundingClientRect();
    const zoom = box.width / PLOT.width;
    const [x, y] = [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
    const far = (mark) => (mark.x - x) ** 2 + (mark.y - y) ** 2;
    point(marks().reduce((best, mark) => best === null || far(mark) < far(best) ? mark : best, null));
  });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("blur", () => point(null));
  picture.addEventListener("keydown", (event) => {
    if (event.key === "Escape") point(null);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const order = marks().sort((p, q) => p.x - q.x || p.y - q.y);
    const here = at ? order.findIndex((mark) => mark.node === at.node) : -1;
    point(order[here < 0 ? (step > 0 ? 0 : order.length - 1) : Math.min(Math.max(here + step, 0), order.length - 1)]);
  });
};
// `figure.draw` draws it for a setting, in the colours of the chosen pair.
const bindChart = (figure, data) => {
  const name = figure.dataset.kind;
  const picture = figure.querySelector(".picture");
  const titles = chartKinds[name].axes(data);
  let axis = name === "curves" ? 1 : 0;  // training time
  figure.draw = (shown) => { if (pairShown) picture.innerHTML = drawChart(name, shown, axis); };
  if (titles.length > 1) {
    addSelect(figure.querySelector(".tools"), chartKinds[name].label, titles.map((title, index) => [index, title]), axis, (chosen) => {
      axis = Number(chosen);
      figure.draw(settingData());
    });
  }
  figure.querySelector(".tools").append(saveButtons(() => picture.querySelector("svg"), figure.id));
  figure.draw(data);
  bindTips(figure);
};
