// Sorts a table by the column whose heading is pressed; pressed again, the other way round.
// A cell sorts by its data-sort value where it has one, else by its text. Empty cells come last.

function value(row, column) {
  const cell = row.cells[column];
  return (cell.dataset.sort ?? cell.textContent).trim();
}

function compare(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const difference = Number(a) - Number(b);
  return direction * (Number.isNaN(difference) ? a.localeCompare(b, undefined, { numeric: true }) : difference);
}

function sort(button) {
  const heading = button.closest("th");
  const first = button.dataset.first;
  const other = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? other : first;
  for (const each of heading.parentElement.cells) {
    if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", each === heading ? order : "none");
  }
  const direction = order === "ascending" ? 1 : -1;
  for (const body of heading.closest("table").tBodies) {
    // A row of a single cell is the title of its group and stays where it is.
    const rows = [...body.rows].filter((row) => row.cells.length > 1).map((row) => [value(row, heading.cellIndex), row]);
    rows.sort(([a], [b]) => compare(a, b, direction));
    body.append(...rows.map(([, row]) => row));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("th > button[data-first]");
  if (button) sort(button);
});
