// Tables that fit their place have headings that stay in view; wider ones scroll by themselves, also with the keyboard.
const fitting = new ResizeObserver((items) => items.forEach(({ target }) => {
  const table = target.querySelector("table");
  const fits = target.clientWidth > 0 && table && table.offsetWidth <= target.clientWidth;
  target.classList.toggle("fits", fits);
  if (fits || !target.clientWidth) target.removeAttribute("tabindex");
  else target.tabIndex = 0;
}));
all(".scroll").forEach((place) => fitting.observe(place));
