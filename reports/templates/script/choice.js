// What is chosen on the first screen: setting, score, two methods and the axis of difficulty. The address keeps it.
const front = document.getElementById("overview");
const choiceListeners = [];  // called with the data of the setting, and the choice
const addressParts = [];  // functions that add their choices to the address of the first screen
let frontAddress = () => "";
let placeChoices = () => {};
let choiceNow = null;  // data of the setting, and the choice
const FRONT_NAMES = ["A", "B", "x", "score", "setting", "family", "inputs", "sort", "rows", "open"];
const keepChoice = () => history.replaceState(null, "", "#" + frontAddress());
// Whether the address is one of the first screen: empty, or with choices.
const isFrontAddress = () => {
  const wanted = inAddress();
  return !location.hash || FRONT_NAMES.some((name) => wanted.has(name)) && !["method", "dataset"].some((name) => wanted.has(name));
};
if (front) {
  const bar = document.getElementById("choices");
  const state = { setting: "", measure: "", a: null, b: null, x: "", own: false };  // own: the reader chose the pair
  const now = () => block.settings[state.setting];
  const selects = {};
  const TITLES = { a: "Method", b: "Compared with", measure: "Score", x: "Order of the datasets" };
  Object.entries(TITLES).forEach(([name, title]) => {
    selects[name] = addSelect(bar, [], [], "", (value) => {
      if (name === "measure") setMeasure(value);
      else if (name === "x") state.x = value;
      else Object.assign(state, { [name]: Number(value), own: true });
      show(true);
    });
    Object.assign(selects[name], { id: "choose-" + name, ariaLabel: title });
  });
  // What the chart's caption says can be chosen there.
  placeChoices = () => Object.entries({ b: ".name-b", x: ".order" }).forEach(([name, place]) => {
    const node = document.querySelector("#map " + place);
    const label = selects[name].closest("label");
    if (!node || label.hidden) bar.append(label);
    else node.replaceChildren(...(name === "x" ? ["of datasets "] : []), label);
  });
  const fill = (select, options, value) => {
    fillSelect(select, options, value);
    select.closest("label").hidden = options.length < 2;
  };
  const setMeasure = (measure) => {
    state.measure = measure;
    if (!state.own) setPair(now().answers[measure]);
  };
  const setPair = ({ a }) => Object.assign(state, { a, b: now().baseline === a ? null : now().baseline, own: false });
  // The same choice in another setting, as far as it has the score, the axis and the two methods.
  const reset = (setting) => {
    const keys = state.own ? [state.a, state.b].map((method) => method === null ? null : now().methods[method].key) : [];
    const data = block.settings[setting];
    state.setting = setting;
    if (!data.measures.includes(state.measure)) state.measure = data.measures.at(-1);
    if (!data.axes.some(([name]) => name === state.x)) state.x = "";
    const [a, b] = keys.map((key) => data.methods.findIndex((method) => method.key === key));
    if (a >= 0 && b >= 0) Object.assign(state, { a, b });
    else setPair(data.answers[state.measure]);
  };
  frontAddress = () => {
    const data = now();
    const parts = new URLSearchParams();
    if (state.setting !== block.first) parts.set("setting", state.setting);
    if (state.measure !== data.measures.at(-1)) parts.set("score", state.measure);
    if (state.own) [["A", state.a], ["B", state.b]].forEach(([name, method]) => { if (method !== null) parts.set(name, data.methods[method].key); });
    if (state.x) parts.set("x", state.x);
    addressParts.forEach((add) => add(parts));
    return parts.toString();
  };
  const show = (chosen) => {
    const data = now();
    const answer = data.answers[state.measure];
    document.getElementById("small-print").innerHTML = answer.small;
    all("[data-missing-of]").forEach((node) => { node.hidden = node.dataset.missingOf !== state.setting; });
    const known = ([index]) => data.means[state.measure][index].some((score) => score !== null);
    const methods = data.methods.map((method, index) => [index, data.runs ? method.name : method.title]).filter(known);
    fill(selects.a, methods.filter(([index]) => index !== data.baseline), state.a);
    fill(selects.b, data.baseline === null ? [] : methods, state.b);
    fill(selects.measure, data.measures.map((measure) => [measure, block.titles[measure]]), state.measure);
    fill(selects.x, data.axes.length ? [["", "from easy to hard (transfer difficulty)"], ...data.axes.map(([name, title]) => [name, "by " + title.toLowerCase()])] : [], state.x);
    choiceListeners.forEach((listen) => listen(data, state));
    if (chosen && location.hash.slice(1) !== frontAddress()) history.pushState(null, "", "#" + frontAddress());
  };
  // The choice in an address; unknown names are ignored.
  const apply = (wanted) => {
    Object.assign(state, { measure: wanted.get("score") || "", x: wanted.get("x") || "", own: false });
    reset(block.settings[wanted.get("setting")] ? wanted.get("setting") : block.first);
    ["A", "B"].forEach((name) => {
      const method = now().methods.findIndex(({ key }) => key === wanted.get(name));
      if (method >= 0) Object.assign(state, { [name.toLowerCase()]: method, own: true });
    });
  };
  const restore = () => {
    const wanted = inAddress();
    if (location.hash && !FRONT_NAMES.some((name) => wanted.has(name))) return false;
    apply(wanted);
    return true;
  };
  settingListeners.push((anchor) => { if (anchor !== state.setting && block.settings[anchor]) { reset(anchor); show(false); } });
  addEventListener("hashchange", () => { if (restore()) { chooseSetting(state.setting); show(false); } });
  choiceNow = () => [now(), state];
  if (!restore()) reset(currentSetting);
  chooseSetting(state.setting);
  show(false);
}
