// Which method for my task: shows the text for its budget and, where difficulty decides, for its place among the datasets.
const advice = document.getElementById("advice");
if (advice) {
  const field = (name) => advice.querySelector(`[name=${name}]`);
  const [out, ask, task] = ["out", "ask", "task"].map((name) => advice.querySelector(".advice-" + name));
  let data = null;
  let state = null;
  let known = null;  // the answer that the fields were filled for
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
    const found = answerOf().advice;
    const chosen = found[field("budget").value] || found.any;
    advice.hidden = !chosen;
    if (!chosen) return;
    task.hidden = chosen.bounds.length === 0;
    const [accuracy, classes] = [Number(field("accuracy").value) / 100, Number(field("classes").value)];
    const given = task.hidden || (accuracy > 0 && accuracy <= 1 && classes >= 2);
    ask.hidden = given;
    const place = -Math.log(classes * accuracy);
    out.innerHTML = given ? chosen.texts[chosen.bounds.filter((bound) => place > bound).length] : "";
    advice.querySelector(".advice-check").textContent = chosen.check;
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
    history.replaceState(null, "", "#" + frontAddress());
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
    const mine = wanted.get("task");
    own = mine !== null;
    const dataset = data.datasets.findIndex(({ name }) => name === mine);
    if (!own) useExample();
    else if (dataset >= 0) {
      useDataset(dataset);
      field("like").value = String(dataset);
    } else {
      [field("accuracy").value, field("classes").value] = mine.split(",").concat("");
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
      advice.querySelector("[data-classes]").textContent = answer.over;
      const usable = data.datasets.map((_, dataset) => dataset).filter((dataset) => answer.zeroShot[dataset] > 0 && answer.classes[dataset]);
      fillSelect(field("like"), [["", "my own numbers"], ...usable.map((dataset) => [dataset, data.datasets[dataset].title])], "");
      if (!own || (like !== null && !usable.some((dataset) => data.datasets[dataset].name === like))) useExample();
      else if (like !== null) {
        const dataset = data.datasets.findIndex(({ name }) => name === like);
        useDataset(dataset);
        field("like").value = String(dataset);
      }
      const budgets = Object.keys(answer.advice);
      fillSelect(field("budget"), budgets.map((name) => [name, answer.advice[name].title]), field("budget").value);
      field("budget").closest("label").hidden = budgets.length < 2;
    }
    show();
  };
  choiceListeners.push(follow);
  follow(...choiceNow());
  restoreTask();
  addEventListener("hashchange", restoreTask);
}
