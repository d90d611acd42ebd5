// "Best under a budget": above each leaderboard three limits, beyond which rows are hidden.
// It compares the cells' data-sort values, so a page needs no server; without JavaScript there is no form.

const SCORE = 2;

function limitsOf(table) {
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const inPercent = [...table.tBodies[0].rows].some((row) => row.cells[SCORE].textContent.includes("%"));
  const column = (name) => headings.findIndex((heading) => heading.startsWith(name));
  return [
    { label: "Latency at most", unit: "ms", column: column("Latency"), factor: 1, most: true },
    { label: "Size at most", unit: "kB", column: column("Size"), factor: 1000, most: true },
    { label: `${headings[SCORE]} at least`, unit: inPercent ? "%" : "", column: SCORE, factor: inPercent ? 0.01 : 1 },
  ].filter((limit) => limit.column >= 0);
}

function fits(row, limits) {
  return limits.every(({ column, factor, most, input }) => {
    const known = row.cells[column].dataset.sort ?? "";
    const limit = Number(input.value) * factor;
    return known !== "" && (most ? Number(known) <= limit : Number(known) >= limit);
  });
}

function addBudget(table) {
  const form = document.createElement("form");
  const answer = document.createElement("output");
  form.className = "bench-budget";
  const limits = limitsOf(table).map((limit) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "number", min: "0", step: "any", inputMode: "decimal" });
    label.append(`${limit.label} `, input, ` ${limit.unit}`);
    form.append(label);
    return { ...limit, input };
  });
  form.append(answer);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const asked = limits.filter(({ input }) => input.value !== "");
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !fits(row, asked);
    answer.textContent = asked.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows fit` : "";
  });
  table.closest(".bench-scroll").before(form);
}

for (const table of document.querySelectorAll("table.bench-board")) addBudget(table);
