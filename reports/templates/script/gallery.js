// Shows the predictions of the chosen class and certainty, which are kept in the address.
const choices = [...document.querySelectorAll(".choices select")];
const pictures = [...document.querySelectorAll(".pictures li")];
const show = () => {
  for (const one of pictures) one.hidden = choices.some(({ name, value }) => value && one.dataset[name] !== value);
  const shown = document.querySelector(".choices output");
  if (shown) shown.value = pictures.filter((one) => !one.hidden).length;
};
const read = () => {
  const kept = new URLSearchParams(location.hash.slice(1));
  for (const one of choices) {
    const wanted = kept.get(one.name) || "";
    one.value = [...one.options].some(({ value }) => value === wanted) ? wanted : "";
  }
  show();
};
for (const one of choices) {
  one.addEventListener("change", () => {
    location.hash = new URLSearchParams(choices.filter(({ value }) => value).map(({ name, value }) => [name, value]));
    show();
  });
}
addEventListener("hashchange", read);
document.documentElement.classList.add("scripted");
read();
