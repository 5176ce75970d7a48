// Long tables show their first rows and a button for the rest. Sorting and filtering use all rows.
all("table[data-first]").forEach((table) => {
  const first = Number(table.dataset.first);
  if (table.tBodies[0].rows.length <= first) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "more-rows";
  let whole = false;
  const show = () => {
    const matching = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
    matching.forEach((row, index) => row.classList.toggle("beyond", !whole && index >= first));
    button.textContent = whole ? `Show the first ${first} only` : `Show all ${matching.length}`;
    button.hidden = matching.length <= first;
  };
  button.addEventListener("click", () => { whole = !whole; show(); });
  table.parentNode.after(button);
  table.addEventListener("rows", show);
  show();
});
