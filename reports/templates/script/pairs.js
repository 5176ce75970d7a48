// Differences of two methods, for the chart of the first screen and in the table of all pairs.
// The mean difference and the ends of its intervals here and elsewhere in 0.01 points; nulls where they are not known.
const pairOf = (data, measure, a, b) => {
  const { ranked, rows } = data.pairs[measure];
  const [p, q] = [a, b].map((method) => ranked.indexOf(method));
  const place = 5 * (Math.abs(p - q) - 1);
  const numbers = p < 0 || q < 0 || p === q ? [null] : rows[Math.min(p, q)].slice(place, place + 5);
  if (numbers[0] === null) return { mean: null, here: null, elsewhere: null };
  const [mean, below, above, farBelow, farAbove] = numbers;
  const ends = (low, high) => low === null ? null : p < q ? [mean - low, mean + high] : [-mean - high, low - mean];
  return { mean: p < q ? mean : -mean, here: ends(below, above), elsewhere: ends(farBelow, farAbove) };
};
// The class of colour of a gain in points, as `tone_of` in reports/map/classes.py.
const toneOf = (gain) => {
  const size = [1, 3, 6, 12, 24, 48].filter((least) => Number(tenths(Math.abs(gain))) >= least).length;
  return (gain < 0 && size ? "l" : "g") + size;
};
// All pairs by the measure that orders the methods. `tests` tells for each method and those after it whether their
// difference is clear, and its p value as text.
const pairsTable = (data, id, caption, tests) => {
  const measure = data.measures.at(-1);
  const { ranked } = data.pairs[measure];
  const cell = (a, b, p, q) => {
    const { mean, here } = pairOf(data, measure, a, b);
    if (mean === null) return null;
    const [isClear, pValue] = tests[Math.min(p, q)][Math.abs(p - q) - 1];
    const tip = here === null ? "not tested: no predictions, or the same answers"
      : `95 % interval ${here.map((end) => signed(end / 100, 2)).join(" to ")}${pValue && "; " + pValue}, ${isClear ? "" : "not "}clear`;
    const address = `${data.methods[a].address.replace("method=", "A=")}&B=${encodeURIComponent(data.methods[b].key)}`;
    return [signed(mean / 100), address, tip, isClear ? `c ${toneOf(mean / 100)} shown` : "faint"];
  };
  const short = (name) => name.length > 40 ? name.slice(0, 39).trimEnd() + "…" : name;
  return {
    id, caption, classes: "matrix",
    columns: [["Row minus column", "method"], ...ranked.map((method) => data.methods[method].name).map((name) => [short(name), "linked", name, "slim"])],
    rows: ranked.map((a, p) => [a, ...ranked.map((b, q) => cell(a, b, p, q))]),
  };
};
