// Charts: an interactive chart replaces the static picture once it has been drawn.
const parse = (id) => JSON.parse(document.getElementById(id).textContent);
const fitted = (spec, rows, width) => {
  const copy = JSON.parse(JSON.stringify(spec));
  const columns = width >= 820 ? copy.columns : width >= 560 ? Math.min(2, copy.columns) : 1;
  const wide = copy.columns === 1 ? Math.min(width, 760) : width;
  copy.columns = columns;
  copy.spec.width = Math.max(180, Math.floor((wide - 72 - copy.spacing * (columns - 1)) / columns));
  copy.datasets = { rows };
  copy.config.legend.columns = Math.max(1, Math.min(5, Math.floor(width / 190)));
  return copy;
};
const start = (figure) => {
  const live = figure.querySelector(".live");
  const rows = parse(figure.dataset.rows);
  const options = parse(figure.dataset.specs);
  let chosen = 0;
  let width = 0;
  let view = null;
  const draw = () => {
    width = figure.clientWidth;
    const settings = { renderer: "svg", actions: false, tooltip: { theme: "page" }, mode: "vega-lite" };
    return vegaEmbed(live, fitted(options[chosen].spec, rows, width), settings).then((result) => {
      if (view) view.finalize();
      view = result.view;
      const still = figure.querySelector(".static");
      if (still) still.remove();
      figure.dataset.live = "true";
    }, (error) => { console.error(error); });
  };
  if (options.length > 1) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.append((figure.dataset.choice || "Difficulty measure") + " ", select);
    options.forEach((option, index) => select.add(new Option(option.title, String(index))));
    select.addEventListener("change", () => { chosen = Number(select.value); draw(); });
    figure.querySelector(".tools").append(label);
  }
  let timer = 0;
  new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (Math.abs(figure.clientWidth - width) > 24) draw(); }, 150);
  }).observe(figure);
  draw();
};
const near = new IntersectionObserver((items) => items.forEach((item) => {
  if (item.isIntersecting) { near.unobserve(item.target); start(item.target); }
}), { rootMargin: "800px" });
if (window.vegaEmbed) all("figure.chart").forEach((figure) => near.observe(figure));
