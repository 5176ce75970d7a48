// Tables as text, and buttons that copy it. The clipboard API is missing on some pages, so a text field is copied.
const copyText = (source, text, format) => {
  const field = element("textarea", { value: text, className: "copied" });
  const group = source.closest(".copies");
  group.append(field);
  field.focus({ preventScroll: true });
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  source.focus();
  group.querySelector("[role=status]").textContent = done ? format + " copied" : "Copying is not allowed here";
};
const plainCell = (cell, kind, methods) => {
  const [value, small] = parts5(cell);
  if (value === null || value === undefined) return "";
  if (kind === "method") return methods[value].name;
  return kind === "pm" && small ? `${value} ${small}` : String(value);
};
// Texts that a spreadsheet would run as formulas begin with an apostrophe, as in `etl-bench export`.
const asText = (text) => /^([=@\t\r\n]|[+-](?![\d.]+$))/.test(text) ? "'" + text : text;
const inCsv = (text) => /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
const TEX = { "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
const inTex = (text) => text.replace(/[\\&%$#_{}~^]/g, (sign) => TEX[sign]);
const asciiMinus = (rows) => rows.map((row) => row.map((text) => text.replace(/^−(?=\d)/, "-")));
// Rows of texts, the first with the headings; `shape` has the alignment of the columns.
const asTable = (rows, format, shape, caption = "") => {
  if (format === "CSV") return asciiMinus(rows).map((row) => row.map(asText).map(inCsv).join(",")).join("\n") + "\n";
  if (format === "Markdown") {
    const lines = rows.map((row) => "| " + row.map((text) => text.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ") + " |");
    return (caption && caption + "\n\n") + [lines[0], "|" + " --- |".repeat(rows[0].length), ...lines.slice(1)].join("\n") + "\n";
  }
  const lines = rows.map((row) => row.map(inTex).map((text) => text.replaceAll("−", "$-$")).join(" & ") + " \\\\");
  return (caption && `% ${caption}\n`) + `\\begin{tabular}{${shape}}\n\\toprule\n${lines[0]}\n\\midrule\n${lines.slice(1).join("\n")}\n\\bottomrule\n\\end{tabular}\n`;
};
// What to cite for the methods that a leaderboard shows.
const citationsOf = (methods) => {
  const texts = methods.map(({ method, name }) => block.methods[method]?.[1].trim() || `% ${name}: no citation is known`);
  return Array.from(new Set(texts)).join("\n\n") + "\n";
};
const methodsOf = ({ table, methods, order, pressed }) => {
  const column = table.columns.findIndex(([, kind]) => kind === "method");
  return order.filter((row) => !pressed.size || pressed.has(table.filters[row])).map((row) => methods[parts5(table.rows[row][column])[0]]);
};
// The leaderboard is copied as `etl-bench export` writes it; other tables as they are shown.
const textToCopy = (state, format) => format === "BibTeX" ? Promise.resolve(citationsOf(methodsOf(state))) : state.table.copies
  ? evidence(state.table.copies).then(({ exports }) => exports[format]) : Promise.resolve(tableText(state, format));
const tableText = ({ table, methods }, format) => {
  const columns = table.columns.map((column, at) => [column[0], kindOf(column), at]).filter(([, kind]) => kind !== "bar");
  const rows = [columns.map(([title]) => title), ...table.rows.map((row) => columns.map(([, kind, at]) => plainCell(row[at], kind, methods)))];
  return asTable(rows, format, columns.map(([, kind]) => CELL[kind] === "text" ? "l" : "r").join(""));
};
