// Error analysis: from method, dataset, classes and seed to one class and its images. The address keeps the choice.
const errorsBox = document.getElementById("errors");
if (errorsBox) {
  const lists = JSON.parse(document.getElementById("class-lists").textContent);
  const bar = errorsBox.querySelector(".tools");
  const out = errorsBox.querySelector(".errors-out");
  const parsed = new Map();
  const boardErrors = (anchor) => {
    if (!parsed.has(anchor)) parsed.set(anchor, JSON.parse(document.getElementById(anchor + "-errors").textContent));
    return parsed.get(anchor);
  };
  const FIELDS = [["entry", "Method"], ["dataset", "Dataset"], ["split", "Classes"], ["seed", "Seed"]];
  const SPLITS = { base: "Base classes", new: "New classes", all: "All classes" };
  const state = { setting: "", entry: "", dataset: "", split: "", seed: "", label: "" };
  const selects = {};
  FIELDS.forEach(([name, title]) => {
    const label = document.createElement("label");
    selects[name] = document.createElement("select");
    label.append(title + " ", selects[name]);
    selects[name].addEventListener("change", () => { state[name] = selects[name].value; state.label = ""; show(true); });
    bar.append(label);
  });
  const make = (tag, text, attributes) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.append(text);
    Object.entries(attributes || {}).forEach(([name, value]) => node.setAttribute(name, value));
    return node;
  };
  const table = (caption, headings, rows) => {
    const box = make("div", null, { class: "scroll" });
    const node = make("table");
    const head = node.createTHead().insertRow();
    headings.forEach(([text, kind]) => head.append(make("th", make("span", text, { class: "sort" }), { scope: "col", class: kind })));
    const body = node.createTBody();
    rows.forEach((cells) => {
      const row = body.insertRow();
      cells.forEach(([value, text], index) => {
        const cell = make(index ? "td" : "th", text === undefined ? String(value) : text, { class: headings[index][1], "data-v": value });
        if (!index) cell.scope = "row";
        row.append(cell);
      });
    });
    node.prepend(make("caption", make("span", caption)));
    box.append(node);
    makeSortable(node);
    return box;
  };
  const share = (part, whole) => (100 * part / whole).toFixed(1);
  const percent = (part, whole) => [part / whole, share(part, whole) + " %"];
  const fill = (name, options) => {
    const select = selects[name];
    if (!options.some(([value]) => value === state[name])) state[name] = options.length ? options[0][0] : "";
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === state[name])));
    select.disabled = options.length < 2;
  };
  const distinct = (pairs) => Array.from(new Map(pairs));
  const nameIn = (list) => (label) => list.names[label] || "class " + label;
  const classButton = (list, label) => {
    const button = make("button", nameIn(list)(label), { type: "button", class: "plain" });
    button.addEventListener("click", () => { state.label = state.label === String(label) ? "" : String(label); show(true); });
    return button;
  };
  const address = () => "look=" + FIELDS.map(([name]) => name).concat("label").reduce(
    (parts, name) => parts.concat(encodeURIComponent(state[name])), [encodeURIComponent(state.setting)]).join("/");
  const imageCard = (list, key, image, index, runs) => {
    const figure = make("figure");
    const picture = document.getElementById("i-" + key + "-" + index);
    if (picture) figure.append(make("img", null, { src: picture.src, alt: picture.alt, width: 64, height: 64 }));
    const caption = make("figcaption", make("b", nameIn(list)(image.label)));
    runs.forEach((run) => {
      const best = run.tops[index] || [];
      const line = make("ol", null, { class: "top" });
      for (let rank = 0; rank < best.length; rank += 2) {  // class and permille, one after the other
        line.append(make("li", nameIn(list)(best[rank]) + " " + (best[rank + 1] / 10).toFixed(1) + " %",
          { class: best[rank] === image.label ? "truth" : "" }));
      }
      if (runs.length > 1) caption.append(make("span", "seed " + run.seed, { class: "seed" }));
      caption.append(line);
    });
    caption.append(make("code", image.id));
    figure.append(caption);
    return figure;
  };
  const show = (chosen) => {
    const data = boardErrors(state.setting);
    const known = data.cells.map((cell) => ({ cell, list: lists[cell.list] }));
    fill("entry", distinct(known.map(({ cell }) => [cell.entry, data.entries[cell.entry]])));
    const mine = known.filter(({ cell }) => cell.entry === state.entry);
    fill("dataset", distinct(mine.map(({ list }) => [list.dataset, list.title])));
    const here = mine.filter(({ list }) => list.dataset === state.dataset);
    fill("split", here.map(({ list }) => [list.split, SPLITS[list.split] || list.split]));
    const found = here.find(({ list }) => list.split === state.split);
    if (!found) { out.replaceChildren(make("p", "No predictions are stored for this setting.", { class: "missing" })); return; }
    const { cell, list } = found;
    fill("seed", (cell.runs.length > 1 ? [["", "all"]] : []).concat(cell.runs.map((run) => [String(run.seed), String(run.seed)])));
    const runs = state.seed === "" ? cell.runs : cell.runs.filter((run) => String(run.seed) === state.seed);
    const right = runs.reduce((sum, run) => sum + run.right, 0);
    const name = nameIn(list);
    const wanted = state.label === "" ? null : Number(state.label);
    const summary = make("p", make("b", share(right, runs.length * list.n) + " %"), { class: "facts" });
    summary.append(" correct: " + right + " of " + counted(runs.length * list.n, "prediction") + " on " + counted(list.n, "image") + ". Run" + (runs.length > 1 ? "s " : " "));
    runs.forEach((run) => summary.append(make("code", run.id), " "));
    const parts = [summary];
    const classes = cell.classes.map(([label, size, taken], index) => [label, size, taken, runs.reduce((sum, run) => sum + run.classes[index], 0)]);
    if (wanted === null) {
      parts.push(table(
        classes.length < cell.of ? "The " + classes.length + " worst of " + cell.of + " classes." : "All " + cell.of + " classes, worst first.",
        [["Class", "text"], ["Images", "num"], ["Accuracy", "num"], ["Most often predicted", "text"]],
        classes.map(([label, size, taken, hits]) => [[name(label), classButton(list, label)], [size], percent(hits, size * runs.length),
          [taken === null ? "" : name(taken), taken === null ? "–" : name(taken)]])));
    } else {
      const entry = classes.find(([label]) => label === wanted);
      const heading = make("h4", name(wanted));
      const back = make("button", "All classes", { type: "button", class: "chip" });
      back.addEventListener("click", () => { state.label = ""; show(true); });
      parts.push(heading, back);
      if (entry) parts.push(make("p", share(entry[3], entry[1] * runs.length) + " % of its " + counted(entry[1], "image") + " correct" +
        (entry[2] === null ? "." : "; most often predicted as " + name(entry[2]) + "."), { class: "facts" }));
    }
    const pairs = (state.seed === "" ? cell.pairs : runs[0].pairs).filter(([label, other]) => wanted === null || label === wanted || other === wanted);
    parts.push(pairs.length ? table("Most frequent confusions" + (wanted === null ? "." : " of this class."),
      [["Class", "text"], ["Predicted", "text"], ["Count", "num"], ["Share of the class", "num"]],
      pairs.map(([label, other, count, n]) => [[name(label), classButton(list, label)], [name(other)], [count], percent(count, n)]))
      : make("p", "This class is in none of the most frequent confusions.", { class: "note" }));
    const images = list.images.map((image, index) => [image, index]).filter(([image]) => wanted === null || image.label === wanted);
    if (images.length) {
      parts.push(make("p", "Predictions for the images that most runs misclassify: up to five classes with at least 0.05 % probability, the true class marked.", { class: "note" }));
      const row = make("div", null, { class: "examples hard" });
      images.forEach(([image, index]) => row.append(imageCard(list, cell.list, image, index, runs)));
      parts.push(row);
    }
    if (errorsBox.dataset.folder) parts.push(runBrowser(errorsBox.dataset.folder, runs, list, wanted));
    out.replaceChildren(...parts);
    if (chosen) history.replaceState(null, "", "#" + address());
  };
  const follow = () => {
    const parts = location.hash.startsWith("#look=") ? location.hash.slice(6).split("/").map(decodeURIComponent) : null;
    if (!parts || !document.getElementById(parts[0] + "-errors")) return false;
    ["setting", "entry", "dataset", "split", "seed", "label"].forEach((field, index) => { state[field] = parts[index] || ""; });
    chooseSetting(state.setting);
    show(false);
    document.getElementById("error_analysis").scrollIntoView();
    return true;
  };
  settingListeners.push((anchor) => { if (anchor !== state.setting) { state.setting = anchor; if (started) show(false); } });
  state.setting = settings.find((node) => node.classList.contains("chosen")).dataset.setting;
  let started = false;
  addEventListener("hashchange", follow);
  new IntersectionObserver((items, observer) => {
    if (!items.some((item) => item.isIntersecting)) return;
    observer.disconnect();
    started = true;
    show(false);
  }, { rootMargin: "600px" }).observe(errorsBox);
  if (location.hash.startsWith("#look=")) { started = true; follow(); }
}
