// Clicking a heading sorts the table, clicking again reverses the order; empty cells stay at the end.
const sortBy = (table, heading) => {
  const column = Array.from(heading.parentNode.children).indexOf(heading);
  const numeric = heading.classList.contains("num");
  const first = numeric && !heading.classList.contains("rank") ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? other : first;
  const sign = order === "ascending" ? 1 : -1;
  const key = (row) => row.children[column].dataset.v;
  const rows = Array.from(table.tBodies[0].rows).map((row, index) => ({ row, index, key: key(row) }));
  rows.sort((a, b) => {
    if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "") || a.index - b.index;
    const difference = numeric ? Number(a.key) - Number(b.key) : a.key.localeCompare(b.key);
    return sign * difference || a.index - b.index;
  });
  all("th[aria-sort]", table).forEach((th) => th.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  table.tBodies[0].append(...rows.map((item) => item.row));
  table.dispatchEvent(new Event("rows"));
};
const makeSortable = (table) => {
  all("thead .sort", table).forEach((span) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = span.textContent;
    button.addEventListener("click", () => sortBy(table, span.closest("th")));
    span.replaceChildren(button);
  });
};
all("table.sortable").forEach(makeSortable);
