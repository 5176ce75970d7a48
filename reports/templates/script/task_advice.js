// Which method for my task: from its zero-shot accuracy, number of classes and budget, by the rule that the data prefer.
const advice = document.getElementById("advice");
if (advice && hero) {
  const field = (name) => advice.querySelector(`[name=${name}]`);
  const out = advice.querySelector(".advice-out");
  const BUDGETS = { any: "any", "no training": "no gradient steps", "1 min": "at most 1 min of training", "100k parameters": "at most 100k parameters" };
  let data = null;
  let state = null;
  let known = null;  // the answer that the fields were filled for
  const costs = (method) => data.methods[method].cost;
  const listed = (names, last = "and") => names.length < 2 ? names.join("") : names.slice(0, -1).join(", ") + " " + last + " " + names.at(-1);
  const paragraph = (text, className = "") => element("p", { className }, ...text.map((part) => Array.isArray(part) ? element("b", { textContent: part[0] }) : part));
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
    advice.querySelector(".advice-picks").innerHTML = chosen ? chosen.picks : "";
    const check = advice.querySelector(".advice-check");
    if (check) check.textContent = chosen ? chosen.check : "";
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
      parts.push(paragraph([`Difficulty ${Number(difficulty.toPrecision(2))}: harder than ${harder} of ${counted(placed.length, "dataset")} here. Most similar: ${listed(alike.map((dataset) => shortened(data.datasets[dataset].title, 24)))}.`], "note"));
    }
    const basis = chosen.rule === "alike" && alike.length ? alike : every;
    const means = new Map(chosen.candidates.map((method) => [method, mean(method, basis)]));
    const first = chosen.candidates.reduce((top, method) => means.get(method) > means.get(top) ? method : top);
    const where = alike.length ? alike : every;
    // A method that gains less than half a point on the most similar datasets is not advised.
    const best = data.baseline !== null && chosen.candidates.includes(data.baseline) && mean(first, where) < 0.5 ? data.baseline : first;
    const cost = costs(best) ? `; ${costs(best)}` : "";
    if (best === data.baseline) {
      parts.push(paragraph([["Stay with zero-shot"], `: no method ${field("budget").value === "any" ? "" : "within this budget "}gains on ${where === every ? "average" : "tasks like yours"}${cost}.`], "take"));
    } else {
      const gains = data.baseline === null ? [] : alike.map((dataset) => numbers.difference(state.measure, best, data.baseline, dataset)?.mean).filter((gain) => gain !== undefined);
      parts.push(paragraph(["Take ", [data.methods[best].name], ...(gains.length ? [": ", [signed(average(gains))], `\u00a0points over zero-shot on the most similar (worst ${signed(Math.min(...gains))}, best ${signed(Math.max(...gains))})`] : []), cost + "."], "take"));
    }
    const open = answer.open[best].filter((method) => chosen.candidates.includes(method));
    const near = chosen.candidates.filter((method) => means.get(method) >= means.get(best) - 1 && data.methods[method].seconds !== null);
    const cheapest = near.length ? near.reduce((least, method) => data.methods[method].seconds < data.methods[least].seconds ? method : least) : best;
    const names = listed(open.map((method) => data.methods[method].name), "or");
    const others = open.length === chosen.candidates.length - 1 ? "No method differs" : open.length > 2 ? `${open.length} of ${chosen.candidates.length - 1} others do not differ` : `${names} ${open.length === 1 ? "does" : "do"} not differ`;
    const clear = open.length ? [`${others} clearly from it across datasets. `] : [];
    const close = near.length - 1;
    if (close > 0) clear.push(`${close} other${close === 1 ? "" : "s"} within 1\u00a0point` + (cheapest === best ? "." : ", cheapest "));
    if (cheapest !== best) clear.push([data.methods[cheapest].name], `, ${costs(cheapest)}.`);
    if (clear.length) parts.push(paragraph(clear));
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
    const wanted = inAddress();
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
    if (known !== answer) {
      known = answer;
      advice.querySelector("[data-classes]").textContent = classesOf(state.measure);
      const usable = data.datasets.map((_, dataset) => dataset).filter((dataset) => answer.zeroShot[dataset] > 0 && answer.classes[dataset]);
      fillSelect(field("like"), [["", "my own numbers"], ...usable.map((dataset) => [dataset, data.datasets[dataset].title])], "");
      if (!own || (like !== null && !usable.some((dataset) => data.datasets[dataset].name === like))) useExample();
      else if (like !== null) {
        const dataset = data.datasets.findIndex(({ name }) => name === like);
        useDataset(dataset);
        field("like").value = String(dataset);
      }
      const budgets = Object.keys(answer.advice);
      fillSelect(field("budget"), budgets.map((name) => [name, BUDGETS[name] || name]), field("budget").value);
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
