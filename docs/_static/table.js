// A table of results that can be searched by words of a row, and sorted by a click on a heading.
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
      const compare = (one, other) => {
        const [a, b] = [one.cells[column], other.cells[column]];
        return a.dataset.value ? a.dataset.value - b.dataset.value : a.textContent.localeCompare(b.textContent);
      };
      heading.addEventListener("click", () => {
        ascending = !ascending;
        rows.sort((one, other) => (ascending ? compare(one, other) : compare(other, one)));
        body.append(...rows);
      });
    });
  }
});
