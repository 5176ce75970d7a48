const root = document.documentElement;
const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
root.classList.add("scripted");
