// Buttons that filter the rows of a table; if none is pressed, all rows are shown.
all(".chips[data-table]").forEach((group) => {
  const table = document.getElementById(group.dataset.table);
  const rows = all("tbody tr", table);
  group.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    const chosen = all('.chip[aria-pressed="true"]', group).map((item) => item.dataset.family);
    rows.forEach((row) => { row.hidden = chosen.length > 0 && !chosen.includes(row.dataset.family); });
    table.dispatchEvent(new Event("rows"));
  });
});
