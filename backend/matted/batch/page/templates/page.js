"use strict";
const table = document.getElementById("shots");
if (table) {
  const rows = [...table.tBodies[0].rows];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell || cell.colSpan > 1) return "";
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  const compare = (a, b) => {
    const absent = value => value === "" || value === "–";
    if (absent(a) || absent(b)) return absent(a) - absent(b);
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = [...rows].sort((a, b) => compare(key(a, column), key(b, column)));
      const known = sorted.filter(row => !["", "–"].includes(key(row, column)));
      const unknown = sorted.filter(row => ["", "–"].includes(key(row, column)));
      table.tBodies[0].append(...(down ? known.reverse() : known), ...unknown);
    });
  });
  const tools = document.querySelector(".tools");
  const boxes = [...tools.querySelectorAll("input[type=checkbox]")];
  const choose = () => {
    const text = document.getElementById("find").value.toLocaleLowerCase();
    const states = new Set(boxes.filter(box => box.checked).map(box => box.value));
    let shown = 0;
    for (const row of rows) {
      const fits = states.has(row.dataset.state) && row.dataset.name.toLocaleLowerCase().includes(text);
      row.hidden = document.getElementById(row.dataset.section).hidden = !fits;
      shown += fits;
    }
    document.getElementById("found").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
  };
  tools.addEventListener("input", choose);
  tools.hidden = false;
  choose();
}
const reveal = () => {
  const section = location.hash && document.getElementById(location.hash.slice(1));
  if (section && section.matches(".shot")) section.querySelector("details").open = true;
};
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => document.querySelectorAll(".shot > details").forEach(one => { one.open = true; }));
reveal();
