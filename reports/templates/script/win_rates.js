// Win rates: the share of datasets on which a method is ahead of another one.
blocks.win_rates = (data) => {
  const numbers = numbersOf(data);
  const datasets = data.datasets.map((_, dataset) => dataset);
  const order = data.pairs.order;
  const wins = (row, column) => average(datasets.map((dataset) => {
    const [a, b] = [row, column].map((method) => numbers.score(data.pairs.measure, method, dataset)?.mean ?? 0);
    return a > b ? 1 : a === b ? 0.5 : 0;
  }));
  const name = (method, longest) => escaped(shortened(data.methods[method].name, longest));
  const head = order.map((method) => `<th scope="col" class="num slim" title="${escaped(data.methods[method].name)}">${name(method, NAME_LENGTH)}</th>`).join("");
  const cell = (share) => `<td class="num ${share > 0.5 ? "shown" : "faint"}">${(100 * share).toFixed(0)}</td>`;
  const rows = order.map((row) => `<tr><th scope="row" class="text">${name(row, 40)}</th>${order.map((column) => row === column ? '<td class="num faint">·</td>' : cell(wins(row, column))).join("")}</tr>`).join("");
  return `<p class="note">Share of the ${counted(datasets.length, "dataset")} on which the row wins against the column, %; ties count half.</p>` +
    `<div class="scroll wide" tabindex="0"><table class="matrix"><thead><tr><th scope="col" class="text">Row against column</th>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
};
