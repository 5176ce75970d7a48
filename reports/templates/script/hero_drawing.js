// The chart of the first screen: wide as two panels, narrow as one row per dataset. Returns SVG and where datasets are.
// Places of the wide chart in px: ends of both panels, the lower ends of the names (`rail`), least distances of names (`gap`)
// and points (`markGap`), the width of a dataset without a place on the axis (`beside`), and the `room` of a number.
const WIDE = {
  width: 860, height: 514, left: 46, right: 760, rail: 84, top: 98, bottom: 296, lowerTop: 336, lowerBottom: 460,
  gap: 30, nameLength: 20, beside: 30, markGap: 13, named: 3, room: 46, line: 14,
};
const scoreTitle = (measure) => ({ H: "H, %", open: "Open score, %" })[measure] || "Accuracy, %";
const spreadOut = (x, gap, low, high) => {
  const step = Math.min(gap, (high - low) / Math.max(1, x.length - 1));
  const blocks = [];
  x.forEach((value, number) => {
    blocks.push([value - step * number]);
    while (blocks.length > 1 && average(blocks.at(-2)) >= average(blocks.at(-1))) blocks.at(-2).push(...blocks.pop());
  });
  const room = high - step * (x.length - 1);
  return blocks.flatMap((block) => block.map(() => average(block))).map((shift, number) => Math.min(Math.max(shift, low), room) + step * number);
};
const linearTicks = (low, high, most) => {
  const steps = Array.from({ length: 34 }, (_, e) => [1, 2, 5].map((m) => m * 10 ** (e - 18))).flat();
  const step = steps.find((size) => (high - low) / size <= most);
  const first = Math.ceil(low / step);
  const found = Math.floor(high / step) - first + 1;  // a counter from 0, since large numbers plus 1 can stay the same
  return Array.from({ length: Math.max(0, found || 0) }, (_, n) => Number(((first + n) * step).toPrecision(12)));
};
const logTicks = (low, high) => {
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) [1, 2, 5].forEach((m) => ticks.push(Number(m + "e" + e)));
  return ticks;
};
const scale = (values, from, to, most, share = 0.06, ends = [0, 100]) => {
  const [least, largest] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 100];
  const pad = share * (largest - least) || 1;
  const [low, high] = [Math.max(least - pad, ends[0]), Math.min(largest + pad, ends[1])];
  return { at: (value) => rounded(from + (to - from) * (value - low) / (high - low)), ticks: linearTicks(low, high, most) };
};
const mark = (side, x, y, dash) => dash ? `<path class="mark ${side} dash" d="M${rounded(x - 7)},${y}h14"/>`
  : side === "a" ? `<circle class="mark a" cx="${x}" cy="${y}" r="4"/>`
    : `<path class="mark b" d="M${x},${rounded(y - 5)}l5,5l-5,5l-5,-5z"/>`;
// The path of an interval between two heights of a panel; an end outside the panel is an arrow head.
const barPath = (x, low, high, top, bottom) => `M${x},${Math.min(low, bottom)}V${Math.max(high, top)}` +
  (low > bottom ? `M${x - 3},${bottom - 5}L${x},${bottom}L${x + 3},${bottom - 5}` : "") + (high < top ? `M${x - 3},${top + 5}L${x},${top}L${x + 3},${top + 5}` : "");
// Datasets from easy to hard: those with a value on the axis, then the others.
const orderOf = (along) => {
  const all = along.map((value, dataset) => ({ value, dataset }));
  return [all.filter((item) => item.value !== null).sort((p, q) => p.value - q.value || p.dataset - q.dataset), all.filter((item) => item.value === null)];
};
const widePicture = (data, numbers, state) => {
  const { measure, a, b } = state;
  const { left, right, rail, top, bottom, lowerTop, lowerBottom, width, height, gap, beside, nameLength, markGap } = WIDE;
  const answer = data.answers[measure];
  const [axis, , log] = data.axes.find(([name]) => name === state.x) || [null, "", 0];
  const [known, unplaced] = orderOf(axis ? answer.x[axis] : data.datasets.map(() => null));
  const step = known.length ? Math.min(beside, (right - left) / data.datasets.length) : (right - left) / Math.max(1, data.datasets.length);
  const end = right - step * unplaced.length;
  const along = (value) => log ? Math.log(value) : value;
  const x = new Map();
  let ticks = [];
  let atX = null;
  if (known.length) {
    const [low, high] = [along(known[0].value), along(known.at(-1).value)];
    const pad = 0.05 * (high - low) || 0.5;
    atX = (value) => rounded(left + (end - left) * (along(value) - low + pad) / (high - low + 2 * pad));
    spreadOut(known.map((item) => atX(item.value)), markGap, left, end).forEach((place, number) => x.set(known[number].dataset, rounded(place)));
    ticks = (log ? logTicks(known[0].value, known.at(-1).value) : linearTicks(known[0].value - pad, known.at(-1).value + pad, 6)).filter((tick) => atX(tick) >= left && atX(tick) <= end);
  }
  unplaced.forEach((item, number) => x.set(item.dataset, rounded(end + step * (number + 0.5))));
  const order = [...known, ...unplaced].map((item) => item.dataset);
  const feet = spreadOut(order.map((dataset) => x.get(dataset)), gap, left, right);
  const scores = data.methods.map((_, method) => data.datasets.map((__, dataset) => numbers.score(measure, method, dataset)));
  const upper = scale(scores.flat().filter(Boolean).map((found) => found.mean), bottom, top, 6);
  const parts = order.map((dataset, number) => {
    const { title } = data.datasets[dataset];
    return `<path class="guide" data-d="${dataset}" d="M${rounded(feet[number])},${rail}L${x.get(dataset)},${top}V${lowerBottom}"/><text class="name" data-d="${dataset}" transform="translate(${rounded(feet[number])},${rail - 4}) rotate(-40)"><title>${escaped(title)}</title>${escaped(shortened(title, nameLength))}</text>`;
  });
  const grid = (axis_, digits, sign) => `<path class="grid" d="${axis_.ticks.map((tick) => `M${left},${axis_.at(tick)}H${right}`).join("")}"/>` +
    axis_.ticks.map((tick) => `<text class="tick" x="${left - 8}" y="${axis_.at(tick) + 4}" text-anchor="end">${sign ? signed(tick, digits) : tick.toFixed(digits)}</text>`).join("");
  const isChance = (tick) => axis === "relative_transfer_difficulty" && tick === 1;
  const digits = (axis_) => axis_.ticks.some((tick) => tick % 1) ? 1 : 0;
  parts.push(`<text class="panel" x="${left - 40}" y="14">${scoreTitle(measure)}</text>`, grid(upper, digits(upper), false));
  parts.push(...ticks.map((tick) => `<text class="tick" x="${atX(tick)}" y="${lowerBottom + 17}" text-anchor="middle">${isChance(tick) ? "1 = chance" : tick}</text>` + (isChance(tick) ? `<path class="chance" d="M${atX(tick)},${top}V${lowerBottom}"/>` : "")));
  if (ticks.length) {
    if (["relative_transfer_difficulty", "zero_shot_error"].includes(axis)) {
      parts.push(`<text x="${left}" y="${height - 16}" class="tick">← easier</text><text x="${right}" y="${height - 16}" class="tick" text-anchor="end">harder →</text>`);
    }
    parts.push(`<text x="${(left + right) / 2}" y="${height - 16}" text-anchor="middle">${escaped(answer.axes[axis])}</text>`);
  }
  if (unplaced.length) {
    const zero = unplaced.every((item) => answer.zeroShot[item.dataset] === 0);
    parts.push(`<text class="tick" x="${right}" y="${lowerBottom + 32}" text-anchor="end">${zero ? "no difficulty (zero-shot 0 %)" : "not measured"}</text>`);
  }
  parts.push(`<path class="others" d="${scores.map((row) => row.map((found, dataset) => found ? `M${x.get(dataset)},${upper.at(found.mean)}h0` : "").join("")).join("")}"/>`);
  const bar = (side, dataset, found) => found.half === null ? "" : `<path class="bar ${side}" d="${barPath(x.get(dataset), upper.at(found.low), upper.at(found.high), top, bottom)}"/>`;
  if (b !== null) {
    parts.push(`<path class="link" d="${order.map((dataset) => scores[a][dataset] && scores[b][dataset] ? `M${x.get(dataset)},${upper.at(scores[a][dataset].mean)}V${upper.at(scores[b][dataset].mean)}` : "").join("")}"/>`);
  }
  [[b, "b"], [a, "a"]].filter(([method]) => method !== null).forEach(([method, side]) => order.forEach((dataset) => {
    const found = scores[method][dataset];
    if (found) parts.push(bar(side, dataset, found) + mark(side, x.get(dataset), upper.at(found.mean), method === data.baseline));
  }));
  if (b !== null) {
    const found = numbers.differences(measure, a, b);
    const here = order.filter((dataset) => found[dataset] !== null);
    const mean = here.length ? numbers.overDatasets(measure, here.map((dataset) => found[dataset])) : null;
    const ends = ({ mean: middle, half }) => half === null ? [middle] : [middle - half, middle + half];
    const lower = scale([0, ...here.map((dataset) => found[dataset]), ...(mean ? ends(mean) : [])], lowerBottom, lowerTop, 4, 0.12, [-100, 100]);
    parts.push(`<text class="panel" x="${left - 40}" y="${lowerTop - 16}">${escaped(shortened(data.methods[a].name, 40))} minus ${escaped(shortened(data.methods[b].name, 40))}, points</text>`, grid(lower, digits(lower), true));
    parts.push(`<path class="zero" d="M${left},${lower.at(0)}H${right}"/>`);
    const placed = known.filter((item) => found[item.dataset] !== null);
    const fit = numbers.line(placed.map((item) => along(item.value)), placed.map((item) => found[item.dataset]));
    if (fit) {
      const [first, last] = [placed[0].value, placed.at(-1).value];
      parts.push(`<path class="fit" d="M${atX(first)},${lower.at(fit(along(first)))}L${atX(last)},${lower.at(fit(along(last)))}"/>`);
    }
    here.forEach((dataset) => {
      parts.push(`<circle class="mark ${found[dataset] > 0 ? "a" : "b"}" cx="${x.get(dataset)}" cy="${lower.at(found[dataset])}" r="4"/>`);
    });
    const dots = here.map((dataset) => [x.get(dataset), lower.at(found[dataset]), found[dataset]]);
    [...dots].sort((p, q) => q[2] ** 2 - p[2] ** 2).slice(0, WIDE.named).forEach(([at, y, middle]) => {
      const free = dots.every(([to, level]) => to <= at || to >= at + WIDE.room || Math.abs(level - y) >= WIDE.line);
      if (free) parts.push(`<text class="value" x="${at + 8}" y="${y + 4}">${signed(middle)}</text>`);
    });
    if (mean) {
      const [at, y] = [right + 24, lower.at(mean.mean)];
      if (mean.half !== null) parts.push(`<path class="bar" d="${barPath(at, lower.at(mean.mean - mean.half), lower.at(mean.mean + mean.half), lowerTop, lowerBottom)}"/>`);
      parts.push(`<path class="mean" d="M${at},${rounded(y - 6)}l5,6l-5,6l-5,-6z"/><text class="value" x="${at + 10}" y="${y}">${signed(mean.mean)}</text>${(mean.half === null ? ["mean"] : ["mean,", "95 % over", "datasets"]).map((text, number) => `<text class="tick" x="${at + 10}" y="${y + 14 * number + 14}">${text}</text>`).join("")}`);
    }
  }
  return { svg: `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">${parts.join("")}</svg>`, order, at: (dataset) => [x.get(dataset), top], horizontal: true };
};
const rowPicture = (data, numbers, state, width) => {
  const { measure, a, b } = state;
  const answer = data.answers[measure];
  const [known, unplaced] = orderOf(state.x ? answer.x[state.x] : data.datasets.map(() => null));
  const order = [...known, ...unplaced].map((item) => item.dataset);
  const [left, right, head, row] = [12, width - 62, 42, 38];
  const scores = data.methods.map((_, method) => data.datasets.map((__, dataset) => numbers.score(measure, method, dataset)));
  const axis = scale(scores.flat().filter(Boolean).map((found) => found.mean), left, right, 5);
  const height = head + row * order.length + 8;
  const parts = [`<path class="grid" d="${axis.ticks.map((tick) => `M${axis.at(tick)},${head}V${height}`).join("")}"/>`];
  parts.push(...axis.ticks.map((tick) => `<text class="tick" x="${axis.at(tick)}" y="32" text-anchor="middle">${tick}</text>`));
  parts.push(`<text class="panel" x="4" y="13">${scoreTitle(measure)}${known.length ? "; easiest dataset first" : ""}</text>`);
  if (b !== null) parts.push(`<text class="panel" x="${width - 2}" y="13" text-anchor="end">difference, points</text>`);
  order.forEach((dataset, number) => {
    const y = head + row * number + 24;
    const classes = answer.classes[dataset];
    const title = shortened(data.datasets[dataset].title, 30);
    parts.push(`<text class="row-name" data-d="${dataset}" x="4" y="${y - 11}">${escaped(title)}<tspan class="tick"> ${classes ? classes + " classes" : ""}</tspan></text>`);
    parts.push(`<path class="others" d="${scores.map((found) => found[dataset] ? `M${axis.at(found[dataset].mean)},${y}h0` : "").join("")}"/>`);
    const [first, second] = [scores[a][dataset], b === null ? null : scores[b][dataset]];
    if (first && second) parts.push(`<path class="link" d="M${axis.at(first.mean)},${y}H${axis.at(second.mean)}"/>`);
    if (second) parts.push(b === data.baseline ? `<path class="mark b dash" d="M${axis.at(second.mean)},${y - 7}v14"/>` : mark("b", axis.at(second.mean), y, false));
    if (first) parts.push(mark("a", axis.at(first.mean), y, false));
    const found = b === null ? null : numbers.difference(measure, a, b, dataset);
    if (found !== null) parts.push(`<text class="value" x="${width - 2}" y="${y + 4}" text-anchor="end">${signed(found)}</text>`);
  });
  return { svg: `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">${parts.join("")}</svg>`, order, at: (dataset) => [right / 2, head + row * order.indexOf(dataset) + 24], horizontal: false };
};
