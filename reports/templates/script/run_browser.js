// All predictions of a run, image by image, from files next to the page; browsers block them for pages opened from disk.
const PER_PAGE = 50;
const runBrowser = (folder, runs, list, wanted) => {
  const box = document.createElement("details");
  const summary = document.createElement("summary");
  const body = document.createElement("div");
  summary.textContent = "Every image of " + (runs.length > 1 ? "these runs" : "this run");
  box.append(summary, body);
  const get = (name) => fetch(folder + "/" + name).then((response) => {
    if (!response.ok) throw new Error(name + ": " + response.status);
    return response.json();
  });
  const load = () => {
    if (location.protocol === "file:") {
      body.textContent = "Browsers do not let a page opened from disk load other files. Serve the folder with etl-bench report --watch or any static web server.";
      return;
    }
    body.textContent = "Loading …";
    const split = list.split.split(" ")[0];  // a target is stored under its dataset's name
    Promise.all(runs.map((run) => get("runs/" + run.id + ".json"))).then((files) => {
      const parts = files.map((file) => file.splits[list.dataset] || file.splits[split]);
      return Promise.all([get("lists/" + parts[0].list + ".json"), get("pictures/" + parts[0].pictures + ".json").catch(() => ({}))])
        .then(([images, pictures]) => draw(images, pictures, parts));
    }).catch((error) => { body.textContent = "The files could not be loaded (" + error.message + "); create them with etl-bench report --site."; });
  };
  const draw = (images, pictures, parts) => {
    const name = (label) => list.names[label] || "class " + label;
    const all = images.ids.map((id, index) => ({ id, index, label: images.labels[index] })).filter((image) => wanted === null || image.label === wanted);
    const isWrong = (image) => parts.some((part) => part.top[image.index][0] !== image.label);
    let onlyWrong = true;
    let page = 0;
    const tools = document.createElement("div");
    tools.className = "tools";
    const choice = document.createElement("label");
    const tick = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    choice.append(tick, " errors only");
    const before = Object.assign(document.createElement("button"), { type: "button", className: "chip", textContent: "Previous" });
    const after = Object.assign(document.createElement("button"), { type: "button", className: "chip", textContent: "Next" });
    const place = document.createElement("span");
    tools.append(choice, before, after, place);
    const rows = document.createElement("div");
    const redraw = () => {
      const shown = onlyWrong ? all.filter(isWrong) : all;
      const last = Math.max(0, Math.ceil(shown.length / PER_PAGE) - 1);
      page = Math.min(page, last);
      before.disabled = page === 0;
      after.disabled = page === last;
      place.textContent = shown.length + " images, page " + (page + 1) + " of " + (last + 1);
      rows.replaceChildren(...shown.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((image) => {
        const line = document.createElement("div");
        line.className = "image-row";
        const uri = pictures[image.id];
        if (uri && uri.startsWith("data:image/")) line.append(Object.assign(document.createElement("img"), { src: uri, alt: "", width: 48, height: 48 }));
        const text = document.createElement("div");
        const truth = document.createElement("b");
        truth.textContent = name(image.label);
        const id = document.createElement("code");
        id.textContent = image.id;
        text.append(truth, " ", id);
        parts.forEach((part, order) => {
          const prediction = document.createElement("div");
          prediction.textContent = (parts.length > 1 ? "seed " + runs[order].seed + ": " : "") +
            part.top[image.index].map((label, rank) => name(label) + " " + (part.share[image.index][rank] / 10).toFixed(1) + " %").join(", ");
          text.append(prediction);
        });
        line.append(text);
        return line;
      }));
    };
    tick.addEventListener("change", () => { onlyWrong = tick.checked; page = 0; redraw(); });
    before.addEventListener("click", () => { page -= 1; redraw(); });
    after.addEventListener("click", () => { page += 1; redraw(); });
    redraw();
    body.replaceChildren(tools, rows);
  };
  box.addEventListener("toggle", () => { if (box.open && !body.hasChildNodes()) load(); });
  return box;
};
