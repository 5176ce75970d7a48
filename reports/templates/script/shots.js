const byDifficulty = (places) => places.map((_, dataset) => dataset).sort((p, q) => (places[p] === null) - (places[q] === null) || places[p] - places[q] || p - q);
// Accuracy against shots: small charts of the mean and of every dataset. The two methods of the first chart have colours.
const SHOTS = { columns: 4, width: 215, height: 150, left: 34, right: 203, top: 28, bottom: 122 };
chartKinds.shots = {
  axes: () => [""],
  height: (data) => SHOTS.height * Math.ceil((data.datasets.length + 1) / SHOTS.columns) + 14,
  draw: (data) => {
    const related = withOtherShots(data);
    const counts = related.map((other) => Number(other.facets[2]));
    const { measure, a, b } = pairShown;
    const zero = data.methods[data.baseline]?.key;
    const x = logAxis(counts, SHOTS.left + 6, SHOTS.right, 0).at;
    const places = related.map((other) => ({ other, numbers: numbersOf(other), methods: new Map(other.methods.map((method, index) => [method.key, index])), datasets: new Map(other.datasets.map((dataset, index) => [dataset.name, index])) }));
    // Values by number of shots, in percent: {mean, half} or null.
    const valuesOf = (method, dataset) => places.map(({ other, numbers, methods, datasets }) => {
      if (!methods.has(method)) return null;
      if (dataset !== null) return datasets.has(dataset) ? numbers.score(measure, methods.get(method), datasets.get(dataset)) : null;
      const about = other.methods[methods.get(method)];
      const found = about.means?.[measure];
      return found && about.complete ? { mean: found[0] / 100, half: found[1] === null || found[1] === undefined ? null : Math.max(...[found[1]].flat()) / 100 } : null;
    });
    const panel = (title, dataset, place) => {
      const [dx, dy] = [SHOTS.width * (place % SHOTS.columns), SHOTS.height * Math.floor(place / SHOTS.columns)];
      const lines = data.methods.map((method) => ({ method, values: valuesOf(method.key, dataset) })).filter(({ values }) => values.some(Boolean));
      const heights = lines.flatMap(({ method, values }) => values.filter(Boolean).flatMap(({ mean, half }) =>
        half !== null && [a, b].includes(method.key) ? [mean - half, mean + half] : [mean]));
      const y = linearAxis(heights.length ? heights : [0, 100], SHOTS.bottom, SHOTS.top);
      y.ticks = y.ticks.filter((_, index) => y.ticks.length < 5 || index % 2 === 0);
      const at = (value, index) => [rounded(dx + x(counts[index])), rounded(dy + y.at(value))];
      const path = (values) => values.map((value, index) => value ? (index && values[index - 1] ? "L" : "M") + at(value.mean, index).join(",") : "").join("");
      const others = lines.filter(({ method }) => ![a, b, zero].includes(method.key)).map(({ values }) => path(values)).join("");
      const level = lines.find(({ method }) => method.key === zero);
      const sides = [["b", b], ["a", a]].map(([side, wanted]) => {
        const line = wanted === zero ? null : lines.find(({ method }) => method.key === wanted);
        if (!line) return "";
        const bars = line.values.map((value, index) => value && value.half !== null ? `M${at(value.mean - value.half, index).join(",")}V${at(value.mean + value.half, index)[1]}` : "").join("");
        return `<path class="curve ${side}" d="${path(line.values)}"/><path class="bar ${side}" d="${bars}"/>` + line.values.map((value, index) => {
          if (!value) return "";
          const tip = `${title}, ${counted(counts[index], "shot")}: ${line.method.name} ${value.mean.toFixed(1)}${value.half === null ? "" : " ± " + value.half.toFixed(1)} %`;
          const [cx, cy] = at(value.mean, index);
          return plotMark(cx, cy, side, 4, tip);
        }).join("");
      }).join("");
      return `<text class="panel" x="${dx + 4}" y="${dy + 16}"><title>${escaped(title)}</title>${escaped(shortened(title, 26))}</text>` +
        `<path class="grid" d="${y.ticks.map((tick) => `M${dx + SHOTS.left},${rounded(dy + y.at(tick))}H${dx + SHOTS.right + 6}`).join("")}"/>` +
        y.ticks.map((tick) => `<text class="tick" x="${dx + SHOTS.left - 5}" y="${rounded(dy + y.at(tick) + 4)}" text-anchor="end">${tick}</text>`).join("") +
        counts.map((count) => `<text class="tick" x="${rounded(dx + x(count))}" y="${dy + SHOTS.bottom + 15}" text-anchor="middle">${count}</text>`).join("") +
        `<path class="curve" d="${others}"/>` +
        (level ? `<path class="front" d="M${dx + SHOTS.left},${at(level.values.find(Boolean).mean, 0)[1]}H${dx + SHOTS.right + 6}"/>` : "") + sides;
    };
    const mean = panel("Mean " + block.titles[measure], null, 0);
    const order = byDifficulty(data.answers[data.measures.at(-1)].places);
    return mean + order.map((dataset, place) => panel(data.datasets[dataset].title, data.datasets[dataset].name, place + 1)).join("");
  },
};
