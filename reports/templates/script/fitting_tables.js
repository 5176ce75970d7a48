// Tables that fit have headings that stay in view. Wider ones are lists in narrow windows; else they scroll, also by keys.
const narrow = matchMedia("screen and (max-width: 1008px)");
const fitting = new ResizeObserver((items) => items.forEach(({ target }) => {
  target.classList.remove("list");
  const fits = target.clientWidth > 0 && target.querySelector("table").offsetWidth <= target.clientWidth;
  const isList = !fits && narrow.matches && target.querySelector("[data-head]") !== null;
  target.classList.toggle("fits", fits);
  target.classList.toggle("list", isList);
  if (fits || isList || !target.clientWidth) target.removeAttribute("tabindex");
  else target.tabIndex = 0;
}));
all(".scroll").forEach((place) => fitting.observe(place));
