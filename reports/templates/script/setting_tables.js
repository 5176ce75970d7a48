// Tables computed from the data of a setting: head to head, shots.
const NAME_LENGTH = 40;
const columnOf = (method, kind) => [shortened(method.name, NAME_LENGTH), kind, method.name, "slim"];
const shareOf = (value, largest) => Math.round(100 * Math.abs(value) / largest);
const pText = (p) => p < 0.001 ? "p < 0.001" : "p = " + p.toFixed(p < 0.1 ? 3 : 2);
const pairAddress = (a, b) => {
  const [first, ...rest] = a.address.split("&");
  return ["view=difficulty", ...rest, first.replace("method=", "A="), b.address.split("&")[0].replace("method=", "B=")].join("&");
};
const headToHeadTable = (data) => {
  const { order, rows, measure } = data.pairs;
  const minus = (value) => value === null ? null : -value;
  const found = new Map();
  rows.forEach(([a, b, mean, low, high, p, shown]) => {
    found.set(a + "," + b, [mean, low, high, p, shown]);
    found.set(b + "," + a, [-mean, minus(high), minus(low), p, shown]);
  });
  const largest = Math.max(0, ...Array.from(found.values(), ([mean, , , , shown]) => shown ? Math.abs(mean) : 0)) || 1;
  const score = measure === data.measures.at(-1) ? "" : `score=${measure}&`;
  const pairCell = (a, b) => {
    if (!found.has(a + "," + b)) return null;
    const [mean, low, high, p, shown] = found.get(a + "," + b);
    const tip = low === null ? "not tested: no predictions, or the same answers" : `95 % interval ${signedPoints(low)} to ${signedPoints(high)}; ${pText(p)}, ${shown ? "" : "not "}clear`;
    return [mean, [shown ? shareOf(mean, largest) : 0, score + pairAddress(data.methods[a], data.methods[b])], tip, shown ? "shown" : "faint"];
  };
  const what = { base: "base accuracy", new: "new accuracy", open: "open score", H: "H", all: "accuracy" }[measure];
  return {
    id: data.anchor + "-pairs-table",
    columns: [["Row minus column", "method"], ...order.map((method) => columnOf(data.methods[method], "pair"))],
    rows: order.map((a) => [a, ...order.map((b) => pairCell(a, b))]),
    caption: `Mean difference in ${what} over the datasets, row minus column, in points. Bold and shaded: clear on these datasets (paired over datasets, seeds and images, ${counted(rows.length, "pair")} together). Click a number to plot the pair; its tooltip has the 95&nbsp;% interval and the p value.`,
    classes: "matrix",
  };
};
// Mean over seeds in 0.01 %, not rounded; null without results.
const meanScore = (data, measure, method, dataset) => {
  const found = numbersOf(data).score(measure, method, dataset);
  return found && 100 * found.mean;
};
const hasGap = (data, measure, method, dataset) => splitsOf(measure).some((split) => (data.scores[split][method][dataset] || [null]).includes(null));
// This setting and those that differ from it in the number of shots only, by increasing shots.
const withOtherShots = (data) => {
  const others = ({ facets }) => facets.filter((_, place) => place !== 2 && place !== 4).join("\n");
  if (data.facets[2] === "all") return [data];
  const isRelated = (other) => other === data || (others(other) === others(data) && !other.whole && ![data.facets[2], "all"].includes(other.facets[2]));
  return Object.values(block.settings).filter(isRelated).sort((p, q) => p.facets[2] - q.facets[2]);
};
const shotsTable = (data, measure) => {
  const related = withOtherShots(data);
  const mean = (other, key) => other.methods.find((method) => method.key === key)?.means?.[measure] ?? null;
  return {
    id: data.anchor + "-shots-table",
    columns: [["Method", "method"], ...related.map((other) => [counted(Number(other.facets[2]), "shot"), "pm", "", "score"])],
    rows: data.methods.map(({ key }, number) => [number, ...related.map((other) => mean(other, key))]),
    caption: "Mean over the datasets of each leaderboard, %, ± the 95&nbsp;% interval.",
    classes: "matrix",
  };
};
const putTable = (place, table, data) => {
  place.innerHTML = tableHtml(table, data.methods);
  bindTable(place.firstChild, table, data.methods);
};
blocks.head_to_head = (data, place) => putTable(place, headToHeadTable(data), data);
blocks.shots = (data, place) => putTable(place, shotsTable(data, data.measures.at(-1)), data);
