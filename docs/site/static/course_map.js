// On the map of the course: a lecture that is pointed at lights up what it builds on, and what builds on it.
for (const row of document.querySelectorAll(".map-row")) {
  const number = row.dataset.number;
  const light = (on) => {
    const arcs = document.querySelectorAll(`.map-arcs [data-from="${number}"], .map-arcs [data-to="${number}"]`);
    for (const arc of arcs) {
      const other = arc.dataset.from === number ? arc.dataset.to : arc.dataset.from;
      arc.classList.toggle("map-lit", on);
      document.querySelector(`.map-row[data-number="${other}"]`).classList.toggle("map-lit", on);
    }
  };
  row.addEventListener("pointerenter", () => light(true));
  row.addEventListener("pointerleave", () => light(false));
  row.addEventListener("focusin", () => light(true));
  row.addEventListener("focusout", () => light(false));
}
