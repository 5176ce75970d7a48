// Head to head: mean differences of all pairs with their significance, and win rates on single datasets.
const matrix = (data, caption, text) => {
  const order = data.pairs.order;
  const name = (method, longest) => escaped(shortened(data.methods[method].name, longest));
  const head = order.map((method) => `<th scope="col" class="num slim" title="${escaped(data.methods[method].name)}">${name(method, 16)}</th>`).join("");
  const rows = order.map((row) => `<tr><th scope="row" class="text">${name(row, 40)}</th>${order.map((column) =>
    row === column ? '<td class="num faint">·</td>' : text(row, column)).join("")}</tr>`).join("");
  return `<p class="note">${caption}</p><div class="scroll wide" tabindex="0"><table class="matrix"><thead><tr><th scope="col" class="text">Row minus column</th>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
};
const pText = (p) => p < 0.001 ? "p < 0.001" : "p = " + p.toFixed(p < 0.1 ? 3 : 2);
blocks.head_to_head = (data) => {
  const pairs = new Map(data.pairs.rows.map((pair) => [pair[0] + "," + pair[1], pair]));
  const phrase = { base: "base accuracy", new: "new accuracy", H: "H", all: "accuracy" }[data.pairs.measure];
  const caption = `Row minus column: mean difference in ${phrase} over the datasets, in points. Bold: significant (paired over datasets and seeds, Holm-corrected over ${counted(data.pairs.rows.length, "pair")}). The tooltip of a number shows its 95 % interval and p value.`;
  return matrix(data, caption, (row, column) => {
    const sign = pairs.has(row + "," + column) ? 1 : -1;
    const found = pairs.get(sign > 0 ? row + "," + column : column + "," + row);
    if (!found) return '<td class="num faint">·</td>';
    const [, , mean, low, high, p, significant] = found;
    const [from, to] = sign > 0 ? [low, high] : [-high, -low];
    const tip = low === null ? "no interval: one seed" : `95 % interval ${signedPoints(from)} to ${signedPoints(to)}; ${pText(p)}, ${significant ? "" : "not "}significant`;
    return `<td class="num ${significant ? "shown" : "faint"}" title="${tip}">${signedPoints(sign * mean)}</td>`;
  });
};
blocks.win_rates = (data) => {
  const numbers = numbersOf(data);
  const datasets = data.datasets.map((_, dataset) => dataset);
  const wins = (row, column) => average(datasets.map((dataset) => {
    const [a, b] = [row, column].map((method) => numbers.score(data.pairs.measure, method, dataset)?.mean ?? 0);
    return a > b ? 1 : a === b ? 0.5 : 0;
  }));
  return matrix(data, `Share of the ${counted(datasets.length, "dataset")} on which the row wins against the column, %; ties count half.`, (row, column) => {
    const share = wins(row, column);
    return `<td class="num ${share > 0.5 ? "shown" : "faint"}">${(100 * share).toFixed(0)}</td>`;
  }).replace("Row minus column", "Row against column");
};
