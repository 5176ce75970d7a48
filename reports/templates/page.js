"use strict";
(function () {
  const root = document.documentElement;
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  root.classList.add("scripted");

  // Light and dark: the system decides until the reader does. Storage may be refused to a local file.
  const stored = () => { try { return localStorage.getItem("theme"); } catch (error) { return null; } };
  const keep = (value) => { try { localStorage.setItem("theme", value); } catch (error) { /* this visit only */ } };
  if (stored()) root.dataset.theme = stored();
  document.getElementById("theme").addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    keep(root.dataset.theme);
  });

  // Tables: a click sorts, the next one turns the order round; empty cells stay at the end.
  const sortBy = (table, heading) => {
    const column = Array.from(heading.parentNode.children).indexOf(heading);
    const numeric = heading.classList.contains("num");
    const first = numeric && !heading.classList.contains("rank") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.children[column].dataset.v;
    const rows = Array.from(table.tBodies[0].rows).map((row, index) => ({ row, index, key: key(row) }));
    rows.sort((a, b) => {
      if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "") || a.index - b.index;
      const difference = numeric ? Number(a.key) - Number(b.key) : a.key.localeCompare(b.key);
      return sign * difference || a.index - b.index;
    });
    all("th[aria-sort]", table).forEach((th) => th.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", order);
    table.tBodies[0].append(...rows.map((item) => item.row));
  };
  all("table.sortable").forEach((table) => {
    all("thead .sort", table).forEach((span) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = span.textContent;
      button.addEventListener("click", () => sortBy(table, span.closest("th")));
      span.replaceChildren(button);
    });
  });

  // Family chips: none pressed shows all.
  all(".chips").forEach((group) => {
    const rows = all("tbody tr", document.getElementById(group.dataset.table));
    group.addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip) return;
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      const chosen = all('.chip[aria-pressed="true"]', group).map((item) => item.dataset.family);
      rows.forEach((row) => { row.hidden = chosen.length > 0 && !chosen.includes(row.dataset.family); });
    });
  });

  // A link to a closed section opens it; printing opens all.
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
  addEventListener("beforeprint", () => all("details.card").forEach((card) => { card.open = true; }));

  // Charts: the static picture stays until the live one is there, and for good if that fails.
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
      label.append("Difficulty measure ", select);
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
})();
