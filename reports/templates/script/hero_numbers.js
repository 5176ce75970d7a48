// Numbers of the first screen, in percent, from accuracies in 0.01 %.
const harmonic = (x, y) => x && y ? 2 * x * y / (x + y) : 0;
const classesOf = (measure) => ["base", "new"].includes(measure) ? measure : "all";  // that the difficulty is over
const splitsOf = (measure) => ({ H: ["base", "new"], open: ["open-base", "open-new"] })[measure] || [measure];  // a harmonic mean has two
const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const heroNumbers = (data) => {
  // The mean of differences with its interval over datasets like these; none if nothing is known about others.
  const overDatasets = (measure, values) => {
    const mean = average(values);
    const { limit } = data.answers[measure];
    if (limit === null || values.length < data.datasets.length) return { mean, half: null };
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
    return { mean, half: limit * spread / Math.sqrt(values.length) };
  };
  // One value per seed; a single value if the result does not depend on the seed, null without results.
  const seedsOf = (measure, method, dataset) => {
    const [base, newer] = splitsOf(measure).map((split) => data.scores[split][method][dataset]);
    if (splitsOf(measure).length === 1) return base?.map((value) => value === null ? null : value / 100) ?? null;
    return base && newer ? base.map((value, seed) => value === null || newer[seed] === null ? null : harmonic(value, newer[seed]) / 100) : null;
  };
  // Mean over seeds with its interval over seeds and test images: its larger side, its ends, and its sides in 0.01 %.
  const score = (measure, method, dataset) => {
    const values = seedsOf(measure, method, dataset)?.filter((value) => value !== null);
    if (!values?.length) return null;
    const sides = data.reach?.[measure]?.[method][dataset] ?? null;
    const mean = average(values);
    if (sides === null) return { mean, half: null, sides };
    const [below, above] = [sides, sides].flat().slice(0, 2).map((side) => side / 100);
    return { mean, half: Math.max(below, above), low: mean - below, high: mean + above, sides };
  };
  // The mean of A minus B on one dataset, paired by seed; null without common seeds.
  const difference = (measure, a, b, dataset) => {
    const [first, second] = [a, b].map((method) => seedsOf(measure, method, dataset));
    if (!first || !second) return null;
    const n = Math.max(first.length, second.length);
    const at = (values, seed) => values.length === 1 ? values[0] : values[seed];
    const pairs = Array.from({ length: n }, (_, seed) => [at(first, seed), at(second, seed)]);
    const values = pairs.filter(([x, y]) => x !== null && y !== null).map(([x, y]) => x - y);
    return values.length ? average(values) : null;
  };
  const differences = (measure, a, b) => data.datasets.map((_, dataset) => difference(measure, a, b, dataset));
  // The least-squares line; null unless it predicts left-out datasets better than the mean of the others does.
  const line = (x, y) => {
    const n = x.length;
    const [mx, my] = n ? [average(x), average(y)] : [0, 0];
    const squares = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
    if (n < 6 || !squares) return null;
    const slope = x.reduce((sum, value, i) => sum + (value - mx) * y[i], 0) / squares;
    let byLine = 0;
    let byMean = 0;
    x.forEach((value, i) => {
      const leverage = 1 / n + (value - mx) ** 2 / squares;
      if (leverage >= 1 - 1e-9) return;
      byLine += ((y[i] - my - slope * (value - mx)) / (1 - leverage)) ** 2;
      byMean += ((y[i] - my) * n / (n - 1)) ** 2;
    });
    return byLine < byMean ? (at) => my + slope * (at - mx) : null;
  };
  return { overDatasets, score, difference, differences, line };
};
const numbersOf = (data) => { data.numbers = data.numbers || heroNumbers(data); return data.numbers; };
