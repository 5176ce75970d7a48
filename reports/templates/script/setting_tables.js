// Tables computed from the data of a setting: shots.
const pText = (p) => p < 0.001 ? "p < 0.001" : "p = " + p.toFixed(p < 0.1 ? 3 : 2);
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
blocks.shots = (data, place) => putTable(place, shotsTable(data, data.measures.at(-1)), data);
