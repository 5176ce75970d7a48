const root = document.documentElement;
const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
const counted = (number, noun) => number + " " + noun + (number === 1 ? "" : "s");
root.classList.add("scripted");
