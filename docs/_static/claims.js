// Buttons above a table of claims that show the rows of one verdict. Without scripts all are shown.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.claims")) {
    const rows = [...table.tBodies[0].rows];
    const verdictOf = (row) => row.querySelector(".verdict span").textContent;
    const counts = new Map([["all", rows.length]]);
    for (const row of rows) counts.set(verdictOf(row), (counts.get(verdictOf(row)) || 0) + 1);
    const bar = document.createElement("div");
    bar.className = "filter";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Show claims by verdict");
    for (const [verdict, count] of counts) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${verdict} (${count})`;
      button.setAttribute("aria-pressed", String(verdict === "all"));
      button.addEventListener("click", () => {
        for (const other of bar.children) other.setAttribute("aria-pressed", String(other === button));
        for (const row of rows) row.hidden = verdict !== "all" && verdictOf(row) !== verdict;
      });
      bar.append(button);
    }
    const box = table.closest(".scroll") || table;
    box.before(bar);
  }
});
