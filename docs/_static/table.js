// A table of results that can be searched by a word of a row, and sorted by a click on a heading.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".results-box")) {
    const body = box.querySelector("tbody");
    const rows = [...body.rows];
    box.querySelector(".results-search").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
    box.querySelectorAll("th").forEach((heading, column) => {
      let ascending = false;
      heading.addEventListener("click", () => {
        ascending = !ascending;
        const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const compare = (one, other) => key(one).localeCompare(key(other), "en", { numeric: true });
        rows.sort((one, other) => (ascending ? compare(one, other) : compare(other, one)));
        body.append(...rows);
      });
    });
  }
});
