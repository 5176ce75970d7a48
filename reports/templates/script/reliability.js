// Accuracy against confidence of the two methods on one class split; the bars are shares of the predictions.
const FEW = 20;  // predictions; below, a mark is hollow and not on the line
chartKinds.reliability = {
  label: "Classes",
  axes: (data) => Object.keys(data.reliability).map((split) => SPLIT_NAMES[split]),
  draw: (data, axis) => {
    const { left, right, top, bottom } = PLOT;
    const [x, y] = [[left, right], [bottom, top]].map((ends) => ({ at: between(0, 100, ...ends), ticks: [0, 20, 40, 60, 80, 100] }));
    const ends = [];
    const curves = Object.values(data.reliability)[axis].map(([method, bins]) => ({ side: sideOf(data, method), name: data.methods[method].name, bins }))
      .filter(({ side }) => side !== "other").sort(byLayer).map(({ side, name, bins }) => {
        const whole = bins.reduce((sum, [n]) => sum + n, 0);
        const places = bins.map(([, confidence, accuracy]) => [x.at(confidence / 10), y.at(accuracy / 10)]);
        ends.push({ name, side, x: places.at(-1)[0], y: places.at(-1)[1] });
        const known = places.filter((_, index) => bins[index][0] >= FEW);
        const bars = bins.map(([n, confidence]) => `M${x.at(10 * Math.min(9, Math.floor(confidence / 100)) + (side === "a" ? 3 : 7))},${bottom}V${rounded(bottom - 90 * n / whole)}`).join("");
        return `<path class="share ${side}" d="${bars}"/><path class="curve ${side}" d="${known.length ? "M" + known.join("L") : ""}"/>` + places.map((place, index) => {
          const [n, confidence, accuracy] = bins[index];
          return plotMark(...place, side + (n < FEW ? " hollow" : ""), 4, `${name}: ${(accuracy / 10).toFixed(1)} % right at ${(confidence / 10).toFixed(1)} % confidence, ${counted(n, "prediction")}.`);
        }).join("");
      });
    return plotFrame(x, y, "Confidence, %", String) + `<path class="front" d="M${left},${bottom}L${right},${top}"/>` +
      (curves.join("") || `<text x="${left + 20}" y="${top + 20}">Neither method has stored predictions.</text>`) + plotNames(ends);
  },
};
