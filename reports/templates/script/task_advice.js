// Which method for my task: from its zero-shot accuracy, number of classes and budget, by the rule that the data prefer.
const advice = document.getElementById("advice");
if (advice && hero) {
  const field = (name) => advice.querySelector(`[name=${name}]`);
  const out = advice.querySelector(".advice-out");
  const BUDGETS = { any: "any", "no training": "no training", "1 min": "at most 1 min of training", "100k parameters": "at most 100k parameters" };
  let data = null;
  let state = null;
  let known = "";
  const seconds = (method) => {
    const value = data.methods[method].seconds;
    if (value === null) return "";
    return value < 1 ? "< 1 s" : value < 120 ? value.toFixed(0) + " s" : value < 7200 ? (value / 60).toFixed(1) + " min" : (value / 3600).toFixed(1) + " h";
  };
  const timed = (method) => data.methods[method].name + (seconds(method) ? ` (${seconds(method)})` : "");
  const listed = (names, last = "and") => names.length < 2 ? names.join("") : names.slice(0, -1).join(", ") + " " + last + " " + names.at(-1);
  const paragraph = (text, className) => {
    const node = document.createElement("p");
    if (className) node.className = className;
    text.forEach((part) => node.append(Array.isArray(part) ? Object.assign(document.createElement("b"), { textContent: part[0] }) : part));
    return node;
  };
  const answerOf = () => data.answers[state.measure];
  // The dataset in the middle of the order of difficulty, as an example.
  const example = () => {
    const places = answerOf().places.map((place, dataset) => [place, dataset]).filter(([place, dataset]) => place !== null && answerOf().zeroShot[dataset] > 0);
    places.sort((p, q) => p[0] - q[0]);
    return places.length ? places[Math.floor(places.length / 2)][1] : null;
  };
  const useDataset = (dataset) => {
    if (dataset === null) return;
    field("accuracy").value = (100 * answerOf().zeroShot[dataset]).toFixed(1);
    field("classes").value = answerOf().classes[dataset];
  };
  const show = () => {
    const answer = answerOf();
    const chosen = answer.advice[field("budget").value] || answer.advice.any;
    if (!chosen) { out.replaceChildren(paragraph(["There is no comparison yet."])); return; }
    const numbers = numbersOf(data);
    const mean = (method, datasets) => average(datasets.map((dataset) => numbers.difference(state.measure, method, data.baseline ?? chosen.candidates[0], dataset)?.mean ?? 0));
    const every = data.datasets.map((_, dataset) => dataset);
    const placed = every.filter((dataset) => answer.places[dataset] !== null);
    const [accuracy, classes] = [Number(field("accuracy").value) / 100, Number(field("classes").value)];
    const parts = [];
    let alike = [];
    if (placed.length >= 3) {
      if (!(accuracy > 0 && accuracy <= 1 && classes >= 2)) {
        out.replaceChildren(paragraph(["Give a zero-shot accuracy above 0 and up to 100 %, and at least 2 classes."]));
        return;
      }
      const difficulty = 1 / classes / accuracy;
      const distance = (dataset) => Math.abs(answer.places[dataset] - Math.log(difficulty));
      alike = [...placed].sort((p, q) => distance(p) - distance(q) || p - q).slice(0, Math.max(1, Math.round(placed.length / 3)));
      const harder = placed.filter((dataset) => answer.places[dataset] < Math.log(difficulty)).length;
      parts.push(paragraph([`Difficulty ${Number(difficulty.toPrecision(2))}: harder than ${harder} of ${counted(placed.length, "dataset")} here. Most alike: ${listed(alike.map((dataset) => shortened(data.datasets[dataset].title, 24)))}.`], "note"));
    }
    const basis = chosen.rule === "alike" && alike.length ? alike : every;
    const means = new Map(chosen.candidates.map((method) => [method, mean(method, basis)]));
    const best = chosen.candidates.reduce((top, method) => means.get(method) > means.get(top) ? method : top);
    if (best === data.baseline) {
      parts.push(paragraph([["Stay with zero-shot"], ": no method " + (field("budget").value === "any" ? "" : "within this budget ") + (basis === every ? "gains on average." : "gains on tasks like yours.")], "take"));
    } else {
      parts.push(paragraph(["Take ", [data.methods[best].name], "."], "take"));
      if (data.baseline !== null && alike.length) {
        const gains = alike.map((dataset) => numbers.difference(state.measure, best, data.baseline, dataset)?.mean).filter((gain) => gain !== undefined);
        const gain = average(gains);
        parts.push(paragraph([`On the ${counted(gains.length, "dataset")} most alike it ${gain < 0 ? "loses" : "gains"} `, [signed(gain)], ` points ${gain < 0 ? "against" : "over"} zero-shot (${signed(Math.min(...gains))} to ${signed(Math.max(...gains))}).`]));
      }
    }
    const open = answer.open[best].filter((method) => chosen.candidates.includes(method));
    const others = open.slice(0, 3).map(timed).concat(open.length > 3 ? [open.length - 3 + " more"] : []);
    if (open.length) parts.push(paragraph([`No clear difference over datasets: ${listed(others)}.`]));
    const near = chosen.candidates.filter((method) => means.get(method) >= means.get(best) - 1 && data.methods[method].seconds !== null);
    const cheapest = near.length ? near.reduce((least, method) => data.methods[method].seconds < data.methods[least].seconds ? method : least) : best;
    if (cheapest !== best) parts.push(paragraph(["Cheapest within 1 point: ", [data.methods[cheapest].name], `, ${seconds(cheapest)}.`]));
    if (chosen.check) parts.push(paragraph([chosen.check], "note"));
    out.replaceChildren(...parts);
  };
  // The address has the reader's task: `task` is a dataset, or accuracy and classes; and `budget`.
  let own = false;
  addressParts.push((parts) => {
    const like = field("like").value;
    if (own) parts.set("task", like === "" ? field("accuracy").value + "," + field("classes").value : data.datasets[Number(like)].name);
    if (field("budget").value && field("budget").value !== "any") parts.set("budget", field("budget").value);
  });
  const chosen = () => {
    show();
    history.replaceState(null, "", "#" + heroAddress());
  };
  ["accuracy", "classes", "budget"].forEach((name) => field(name).addEventListener("input", () => {
    if (name !== "budget") { field("like").value = ""; own = true; }
    chosen();
  }));
  field("like").addEventListener("change", () => {
    useDataset(field("like").value === "" ? null : Number(field("like").value));
    own = true;
    chosen();
  });
  const useExample = () => {
    const middle = example();
    useDataset(middle);
    field("like").value = middle === null ? "" : String(middle);
  };
  const restoreTask = () => {
    if (!isFrontAddress()) return;
    const wanted = new URLSearchParams(location.hash.slice(1));
    const task = wanted.get("task");
    own = task !== null;
    const dataset = data.datasets.findIndex(({ name }) => name === task);
    if (!own) useExample();
    else if (dataset >= 0) {
      useDataset(dataset);
      field("like").value = String(dataset);
    } else {
      [field("accuracy").value, field("classes").value] = task.split(",").concat("");
      field("like").value = "";
    }
    const budget = wanted.get("budget") || "any";
    if (data.answers[state.measure].advice[budget]) field("budget").value = budget;
    show();
  };
  const follow = (newData, newState) => {
    const like = data && field("like").value !== "" ? data.datasets[Number(field("like").value)].name : null;
    [data, state] = [newData, newState];
    const answer = answerOf();
    if (known !== state.setting + state.measure) {
      known = state.setting + state.measure;
      const usable = data.datasets.map((_, dataset) => dataset).filter((dataset) => answer.zeroShot[dataset] > 0 && answer.classes[dataset]);
      field("like").replaceChildren(new Option("my own numbers", ""), ...usable.map((dataset) => new Option(data.datasets[dataset].title, dataset)));
      if (!own || (like !== null && !usable.some((dataset) => data.datasets[dataset].name === like))) useExample();
      else if (like !== null) {
        const dataset = data.datasets.findIndex(({ name }) => name === like);
        useDataset(dataset);
        field("like").value = String(dataset);
      }
      const budgets = Object.keys(answer.advice);
      const budget = field("budget").value;
      field("budget").replaceChildren(...budgets.map((name) => new Option(BUDGETS[name] || name, name, false, name === budget)));
      field("budget").closest("label").hidden = budgets.length < 2;
      advice.querySelector(".advice-task").hidden = usable.length === 0;
    }
    show();
  };
  heroListeners.push(follow);
  follow(...heroChoice());
  restoreTask();
  addEventListener("hashchange", restoreTask);
}
