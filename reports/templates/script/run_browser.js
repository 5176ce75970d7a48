// All predictions of a run, image by image, from files next to the page; browsers block them for pages opened from disk.
const PER_PAGE = 50;
const runBrowser = (folder, runs, list, wanted) => {
  const body = element("div", {});
  const box = element("details", {}, element("summary", { textContent: "Every image of " + (runs.length > 1 ? "these runs" : "this run") }), body);
  const get = (name) => fetch(folder + "/" + name).then((response) => {
    if (!response.ok) throw new Error(name + ": " + response.status);
    return response.json();
  });
  const load = () => {
    if (location.protocol === "file:") {
      body.textContent = "Browsers do not let a page opened from disk load other files. Serve the folder with a web server, such as python -m http.server.";
      return;
    }
    body.textContent = "Loading …";
    const split = list.split.split(" ")[0];  // a target is stored under its dataset's name
    Promise.all(runs.map((run) => get("runs/" + run.id + ".json"))).then((files) => {
      const parts = files.map((file) => file.splits[list.dataset] || file.splits[split]);
      return Promise.all([get("lists/" + parts[0].list + ".json"), get("pictures/" + parts[0].pictures + ".json").catch(() => ({}))])
        .then(([images, pictures]) => draw(images, pictures, parts));
    }).catch((error) => { body.textContent = "The files could not be loaded (" + error.message + "); create them with etl-bench report."; });
  };
  const draw = (images, pictures, parts) => {
    const name = (label) => list.names[label] || "class " + label;
    const all = images.ids.map((id, index) => ({ id, index, label: images.labels[index] })).filter((image) => wanted === null || image.label === wanted);
    const isWrong = (image) => parts.some((part) => part.top[image.index][0] !== image.label);
    let page = 0;
    const tick = element("input", { type: "checkbox", checked: true });
    const turn = (step) => () => { page += step; redraw(); };
    const [before, after] = [button("Previous", turn(-1)), button("Next", turn(1))];
    const [place, rows] = [element("span", {}), element("div", {})];
    const predictionOf = (image) => (part, order) => element("div", { textContent: (parts.length > 1 ? "seed " + runs[order].seed + ": " : "") +
      part.top[image.index].map((label, rank) => name(label) + " " + (part.share[image.index][rank] / 10).toFixed(1) + " %").join(", ") });
    const rowOf = (image) => {
      const uri = pictures[image.id];
      const picture = uri && uri.startsWith("data:image/") ? [element("img", { src: uri, alt: "", width: 48, height: 48 })] : [];
      const text = element("div", {}, element("b", { textContent: name(image.label) }), " ", element("code", { textContent: image.id }), ...parts.map(predictionOf(image)));
      return element("div", { className: "image-row" }, ...picture, text);
    };
    const redraw = () => {
      const shown = tick.checked ? all.filter(isWrong) : all;
      const last = Math.max(0, Math.ceil(shown.length / PER_PAGE) - 1);
      page = Math.min(page, last);
      before.disabled = page === 0;
      after.disabled = page === last;
      place.textContent = shown.length + " images, page " + (page + 1) + " of " + (last + 1);
      rows.replaceChildren(...shown.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map(rowOf));
    };
    tick.addEventListener("change", () => { page = 0; redraw(); });
    redraw();
    body.replaceChildren(element("div", { className: "tools" }, element("label", {}, tick, " errors only"), before, after, place), rows);
  };
  box.addEventListener("toggle", () => { if (box.open && !body.hasChildNodes()) load(); });
  return box;
};
