// What all scripts share: the data of the page, and its text helpers.
const root = document.documentElement;
const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
const counted = (number, noun) => number + " " + noun + (number === 1 ? "" : "s");
const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" })[sign]);
// Numbers stay on one line with their unit.
const unbroken = (text) => text.replace(/(\d(?:<\/b>)?) (?=(?:%|±|points?|s|min|h|[MG]iB)(?!\w))/g, "$1\u00a0");
const rounded = (value) => Math.round(value * 10) / 10;
// In tenths by way of hundredths as in the tables, so that no number has two roundings.
const tenths = (value) => (Math.floor((Math.round(100 * value) + 5) / 10) / 10).toFixed(1);
const signed = (value, digits = 1) => {
  const text = digits === 1 ? tenths(Math.abs(value)) : Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
};
// The distances to both ends of an interval in 0.01 %: one number for both, or two; empty if it is not known.
const reach = (sides, digits) => {
  const ends = [sides].flat().map((side) => side === null ? "" : (side / 100).toFixed(digits));
  return ends.length > 1 ? `−${ends[0]}/+${ends[1]}` : ends[0] && "±" + ends[0];
};
const element = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
const button = (text, work, className = "chip") => {
  const node = element("button", { type: "button", className, textContent: text });
  if (work) node.addEventListener("click", work);
  return node;
};
// Options are [value, text].
const fillSelect = (select, options, value) => select.replaceChildren(...options.map(([key, text]) => new Option(text, key, false, String(key) === String(value))));
const addSelect = (place, title, options, value, work) => {
  const select = element("select", {});
  fillSelect(select, options, value);
  select.addEventListener("change", () => work(select.value));
  place.append(element("label", {}, ...[title].flat(), " ", select));
  return select;
};
const inAddress = () => new URLSearchParams(location.hash.slice(1));
const island = (id) => JSON.parse(document.getElementById(id).textContent);
// What is packed as base64 of a zlib stream is unpacked once, when it is needed.
const unpacked = new Map();
const evidence = (name) => {
  if (!unpacked.has(name)) {
    const bytes = Uint8Array.from(atob(document.getElementById("evidence-" + name).textContent), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    unpacked.set(name, new Response(stream).json());
  }
  return unpacked.get(name);
};
const block = await evidence("page");
let parsedPictures = null;
const pictures = () => { parsedPictures = parsedPictures || island("pictures"); return parsedPictures; };
root.classList.add("scripted");
