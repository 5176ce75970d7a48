// Charts are drawn in Python (reports/charts). The script chooses a drawing, gives two methods their colours, and shows texts.
let pairShown = null;  // the two methods of the first screen by key, and its score: {measure, a, b}
// Marks and intervals on a line of scores by shots: each score in 0.01 % with the distances to its ends, or null.
const addMarks = (line) => {
  if (line.nextElementSibling?.matches(".pair")) return;
  const { title, counts, scale, top, bottom } = JSON.parse(line.closest("[data-panel]").dataset.panel);
  const { name } = settingData().methods.find(({ key }) => key === line.parentNode.dataset.m);
  const places = line.getAttribute("d").match(/[\d.]+,[\d.]+/g).map((place) => place.split(",").map(Number));
  let bars = "";
  const marks = JSON.parse(line.dataset.scores).map((score, at) => {
    if (!score) return "";
    const [[mean, sides], [x, y]] = [score, places.shift()];
    const [below, above = below] = [sides].flat().map((side) => side * scale / 10000);
    if (sides !== null) bars += `M${x},${rounded(Math.min(y + below, bottom))}V${rounded(Math.max(y - above, top))}`;
    const tip = `${title}, ${counted(counts[at], "shot")}: ${name} ${[(mean / 100).toFixed(2), reach(sides, 2)].filter(Boolean).join(" ")} %`;
    return `<path class="mark" d="M${x},${y}l.1,.1" stroke-width="7" data-tip="${escaped(tip)}"/>`;
  });
  line.insertAdjacentHTML("afterend", `<g class="pair"><path d="${bars}" stroke-width="2"/>${marks.join("")}</g>`);
};
// The groups of the two methods get their class, and are above the others.
const colourPair = (picture) => {
  all("[data-m]", picture).forEach((node) => ["a", "b"].forEach((side) => node.classList.toggle(side, node.dataset.m === pairShown[side])));
  ["b", "a"].forEach((side) => all(`[data-m].${side}`, picture).forEach((node) => node.parentNode.append(node)));
  all(":is(.a, .b) > [data-scores]", picture).forEach(addMarks);
};
// A text at the nearest mark of `picture`; arrow keys walk the marks from left to right.
const bindTips = (figure, picture, tip) => {
  let at = null;
  const marks = () => all("[data-tip]", picture).map((node) => ({ node, box: node.getBoundingClientRect() }))
    .filter(({ box }) => box.width || box.height).map(({ node, box }) => ({ node, x: box.x + box.width / 2, y: box.y + box.height / 2 }));
  const point = (mark) => {
    at?.node.classList.remove("pointed");
    at = mark;
    tip.hidden = !mark;
    if (!mark) return;
    mark.node.classList.add("pointed");
    tip.textContent = unbroken(mark.node.dataset.tip);
    const frame = figure.getBoundingClientRect();
    const x = mark.x - frame.x;
    tip.style.left = (x + 16 + tip.offsetWidth <= frame.width ? x + 16 : Math.max(0, x - tip.offsetWidth - 16)) + "px";
    tip.style.top = mark.y - frame.y + 14 + "px";
  };
  picture.addEventListener("pointermove", ({ clientX, clientY }) => {
    const far = ({ x, y }) => (x - clientX) ** 2 + (y - clientY) ** 2;
    point(marks().reduce((best, mark) => best === null || far(mark) < far(best) ? mark : best, null));
  });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("blur", () => point(null));
  picture.addEventListener("keydown", (event) => {
    if (event.key === "Escape") point(null);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const order = marks().sort((p, q) => p.x - q.x || p.y - q.y);
    const here = at ? order.findIndex((mark) => mark.node === at.node) : -1;
    point(order[here < 0 ? (step > 0 ? 0 : order.length - 1) : Math.min(Math.max(here + step, 0), order.length - 1)]);
  });
};
// `figure.draw` shows the chosen drawing, or without a choice that of the shown score, in the colours of the chosen pair.
const bindChart = (figure, [, , , , choice, drawings]) => {
  const [picture, tip, tools] = [".plot", ".tip", ".tools"].map((name) => figure.querySelector(name));
  let chosen = 0;
  let shown = null;
  figure.draw = () => {
    const wanted = choice ? drawings[chosen] : drawings.find(([measure]) => measure === pairShown?.measure) || drawings.at(-1);
    evidence("drawings").then((found) => {
      if (shown !== wanted) picture.innerHTML = found[wanted[1]];
      shown = wanted;
      if (pairShown) colourPair(picture);
    });
  };
  if (choice && drawings.length > 1) addSelect(tools, choice, drawings.map(([title], index) => [index, title]), 0, (index) => {
    chosen = Number(index);
    figure.draw();
  });
  figure.draw();
  bindTips(figure, picture, tip);
};
