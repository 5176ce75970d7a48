// Error analysis: from method, dataset, classes and seed to one class and its images. The address keeps the choice.
const nameIn = (list) => (label) => list.names[label] || "class " + label;
const pictureOf = (list, index, text) => {
  const uri = (pictures().lists[list.key] || [])[index];
  return uri ? `<img src="${escaped(uri)}" alt="${escaped(text)}" width="64" height="64" loading="lazy">` : "";
};
const errorsBox = document.getElementById("errors");
if (errorsBox) {
  const bar = errorsBox.querySelector(".tools");
  const out = errorsBox.querySelector(".errors-out");
  const FIELDS = [["entry", "Method"], ["dataset", "Dataset"], ["split", "Classes"], ["seed", "Seed"]];
  const state = { setting: currentSetting, entry: "", dataset: "", split: "", seed: "", label: "" };
  const selects = {};
  let lists = null;  // class lists by key, once they are unpacked
  FIELDS.forEach(([name, title]) => {
    selects[name] = addSelect(bar, title, [], "", (value) => { state[name] = value; state.label = ""; show(true); });
  });
  const share = (part, whole) => (100 * part / whole).toFixed(1);
  const hundredths = (part, whole) => (100 * part / whole).toFixed(2);
  const fill = (name, options) => {
    if (!options.some(([value]) => value === state[name])) state[name] = options.length ? options[0][0] : "";
    fillSelect(selects[name], options, state[name]);
    selects[name].disabled = options.length < 2;
  };
  const distinct = (pairs) => Array.from(new Map(pairs));
  const address = () => "look=" + FIELDS.map(([name]) => name).concat("label").reduce(
    (parts, name) => parts.concat(encodeURIComponent(state[name])), [encodeURIComponent(state.setting)]).join("/");
  const imageCard = (list, image, index, runs) => {
    const name = nameIn(list);
    const seeds = runs.map((run) => {
      const best = run.tops[index] || [];
      const lines = [];
      for (let rank = 0; rank < best.length; rank += 2) {  // class and permille, one after the other
        lines.push(`<li${best[rank] === image.label ? ' class="truth"' : ""}>${escaped(name(best[rank]))} ${(best[rank + 1] / 10).toFixed(1)} %</li>`);
      }
      return (runs.length > 1 ? `<span class="seed">seed ${run.seed}</span>` : "") + `<ol class="top">${lines.join("")}</ol>`;
    }).join("");
    return `<figure>${pictureOf(list, index, name(image.label))}<figcaption><b>${escaped(name(image.label))}</b>${seeds}<code>${escaped(image.id)}</code></figcaption></figure>`;
  };
  const pairsTable = (id, list, pairs, caption, kind) => ({
    id, caption, columns: [["Class", kind], ["Predicted", "text"], ["Count"], ["Share of the class, %"]],
    rows: pairs.map(([label, other, count, n]) => [[nameIn(list)(label), kind === "choice" ? label : ""], nameIn(list)(other), count, hundredths(count, n)]),
  });
  // What the runs change against zero-shot: counts, images that they fix and break, and the gain of each class.
  const changesText = ({ fixed, broken, guesses }, list, places) => {
    const name = nameIn(list);
    const mean = (values) => String(Math.round(10 * places.reduce((sum, at) => sum + values[at], 0) / places.length) / 10);
    const cards = (wanted) => list.moved.map(({ label, before }, index) => {
      const mine = places.map((at) => guesses[at][index]);
      const wrong = mine.filter((guess) => guess !== label);
      const isFixed = before !== label;
      if (isFixed !== wanted || 2 * (isFixed ? wrong.length : mine.length - wrong.length) >= mine.length) return "";
      return `<figure>${pictureOf(list, list.images.length + index, name(label))}<figcaption><b>${escaped(name(label))}</b> ${isFixed ? "zero-shot" : "now"}: ${escaped(name(isFixed ? before : wrong[0]))}</figcaption></figure>`;
    }).join("");
    const strips = [["Fixed", cards(true)], ["Broken", cards(false)]].filter(([, found]) => found);
    return `<p class="facts">Against zero-shot CLIP, <b>${mean(fixed)}</b> of ${counted(list.n, "image")} fixed and <b>${mean(broken)}</b> broken${places.length > 1 ? `, mean of ${places.length} seeds` : ""}.</p>` +
      `<div class="strips">${strips.map(([title, found]) => `<div><h4>${title}</h4><div class="examples hard">${found}</div></div>`).join("")}</div>`;
  };
  const gainsTable = ({ fixed, gains }, list) => {
    const points = gains.map(([, n, before, after]) => (after / fixed.length - before) / n);
    const largest = Math.max(...points.map(Math.abs));
    const bar = (gain) => [500 + 500 * gain / largest, 500 + 500 * Math.min(0, gain / largest), 500 + 500 * Math.max(0, gain / largest), 500];
    return {
      id: "errors-gains", caption: "Largest and smallest gains over zero-shot, in points.",
      columns: [["Class", "choice"], ["From zero-shot", "bar"], ["Gain"], ["Zero-shot, %"]],
      rows: gains.map(([label, n, before], at) => [[nameIn(list)(label), label], [bar(points[at])], signed(100 * points[at]), hundredths(before, n)]),
    };
  };
  const draw = (data, chosen) => {
    const known = data.cells.map((cell) => ({ cell, list: lists.get(cell.list) }));
    fill("entry", distinct(known.map(({ cell }) => [cell.entry, data.entries[cell.entry]])));
    const mine = known.filter(({ cell }) => cell.entry === state.entry);
    fill("dataset", distinct(mine.map(({ list }) => [list.dataset, list.title])));
    const here = mine.filter(({ list }) => list.dataset === state.dataset);
    fill("split", here.map(({ list }) => [list.split, SPLIT_NAMES[list.split] || list.split]));
    const found = here.find(({ list }) => list.split === state.split);
    if (!found) { out.innerHTML = '<p class="missing">No predictions are stored for this setting.</p>'; return; }
    const { cell, list } = found;
    fill("seed", (cell.runs.length > 1 ? [["", "all"]] : []).concat(cell.runs.map((run) => [String(run.seed), String(run.seed)])));
    const runs = state.seed === "" ? cell.runs : cell.runs.filter((run) => String(run.seed) === state.seed);
    const right = runs.reduce((sum, run) => sum + run.right, 0);
    const name = nameIn(list);
    const wanted = state.label === "" ? null : Number(state.label);
    const runIds = runs.map((run) => `<code>${escaped(run.id)}</code>`).join(" ");
    const parts = [`<p class="facts"><b>${share(right, runs.length * list.n)} %</b> correct: ${right} of ${counted(runs.length * list.n, "prediction")} on ${counted(list.n, "image")}. ${runs.length > 1 ? "Runs" : "Run"} ${runIds}</p>`];
    const tables = [];
    const classes = cell.classes.map(([label, size, taken], index) => [label, size, taken, runs.reduce((sum, run) => sum + run.classes[index], 0)]);
    const put = (table) => { tables.push(table); parts.push(tableHtml(table, [])); };
    if (wanted === null) {
      if (cell.changes) parts.push(changesText(cell.changes, list, runs.map((run) => cell.runs.indexOf(run))));
      if (cell.changes?.gains.length) put(gainsTable(cell.changes, list));
      put({
        id: "errors-classes",
        caption: classes.length < cell.of ? `The ${classes.length} worst of ${cell.of} classes.` : `All ${cell.of} classes, worst first.`,
        columns: [["Class", "choice"], ["Images"], ["Accuracy, %"], ["Most often predicted", "text"]],
        rows: classes.map(([label, size, taken, hits]) => [[name(label), label], size, hundredths(hits, size * runs.length), taken === null ? null : name(taken)]),
      });
    } else {
      const entry = classes.find(([label]) => label === wanted);
      parts.push(`<h4>${escaped(name(wanted))}</h4><button type="button" class="chip" data-choice="">All classes</button>`);
      if (entry) parts.push(`<p class="facts">${share(entry[3], entry[1] * runs.length)} % of its ${counted(entry[1], "image")} correct${entry[2] === null ? "." : "; most often predicted as " + escaped(name(entry[2])) + "."}</p>`);
    }
    const pairs = (state.seed === "" ? cell.pairs : runs[0].pairs).filter(([label, other]) => wanted === null || label === wanted || other === wanted);
    if (pairs.length) put(pairsTable("errors-pairs", list, pairs, "Most frequent confusions" + (wanted === null ? "." : " of this class."), "choice"));
    const images = list.images.map((image, index) => [image, index]).filter(([image]) => wanted === null || image.label === wanted);
    if (images.length) {
      parts.push('<p class="note">Images that most runs misclassify, with up to five classes of at least 0.05 % probability.</p>');
      parts.push(`<div class="examples hard">${images.map(([image, index]) => imageCard(list, image, index, runs)).join("")}</div>`);
    }
    out.innerHTML = parts.join("");
    all(".table", out).forEach((node, index) => bindTable(node, tables[index], []));
    if (chosen) history.replaceState(null, "", "#" + address());
  };
  const show = (chosen) => Promise.all([evidence("lists"), evidence(state.setting)]).then(([found, { errors }]) => {
    lists = lists || new Map(found.map((list) => [list.key, list]));
    draw(errors, chosen);
  });
  out.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-choice]")?.dataset.choice;
    if (choice === undefined) return;
    state.label = state.label === choice ? "" : choice;
    show(true);
  });
  const follow = () => {
    const parts = location.hash.startsWith("#look=") ? location.hash.slice(6).split("/").map(decodeURIComponent) : null;
    if (!parts || !block.settings[parts[0]]) return;
    ["setting", "entry", "dataset", "split", "seed", "label"].forEach((field, index) => { state[field] = parts[index] || ""; });
    chooseSetting(state.setting);
    if (started) show(false);
    else start();
    document.getElementById("error_analysis").scrollIntoView();
  };
  settingListeners.push((anchor) => { if (anchor !== state.setting) { state.setting = anchor; if (started) show(false); } });
  let started = false;
  const start = () => {
    show(false);
    started = true;
  };
  addEventListener("hashchange", follow);
  new IntersectionObserver((items, observer) => {
    if (!items.some((item) => item.isIntersecting)) return;
    observer.disconnect();
    if (!started) start();
  }, { rootMargin: "600px" }).observe(errorsBox);
  follow();
}
