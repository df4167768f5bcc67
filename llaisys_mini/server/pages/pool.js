// The pages of the pool as a grid, the requests as a table, and the numbers of a step.

import { find, make, number } from "./dom.js";
import { colour } from "./picture.js";

const MOST = 2048; // pages in the grid

/** page -> the ids of the requests that use it */
function usersOf(step) {
  const users = new Map();
  for (const request of step.running) {
    for (const page of request.pages) users.set(page, [...(users.get(page) ?? []), request.id]);
  }
  return users;
}

export function drawPages(step) {
  const grid = find("pages");
  const users = usersOf(step);
  const count = Math.min(step.pool.touched, MOST);
  while (grid.childElementCount > count) grid.lastElementChild.remove();
  while (grid.childElementCount < count) grid.append(make("span", { className: "page" }));
  for (let page = 0; page < count; page++) {
    const ids = users.get(page) ?? [];
    const [kind, text] = ids.length > 1 ? ["page many", `${ids.length}×`] : ids.length ? [`page ${colour(ids[0])}`, `${ids[0]}`] : ["page", ""];
    const cell = grid.children[page];
    if (cell.className === kind && cell.textContent === text) continue;
    cell.className = kind;
    cell.textContent = text;
    cell.title = `page ${page}: ${ids.length ? ids.map((id) => `#${id}`).join(", ") : "given back"}`;
  }
  const shared = [...users.values()].filter((ids) => ids.length > 1).length;
  const untouched = step.pool.pages - step.pool.touched;
  const words = [`${number(users.size)} of ${number(step.pool.pages)} pages are in use, ${number(shared)} of them shared.`];
  if (untouched) words.push(`The ${number(untouched)} that were never used are not drawn.`);
  if (step.pool.touched > MOST) words.push(`The first ${number(MOST)} are drawn.`);
  find("pages-words").textContent = words.join(" ");
  grid.setAttribute("aria-label", `${words[0]} The table of requests tells who has how many.`);
  find("page-size").textContent = step.pool.size;
}

export function drawRequests(step) {
  const turns = new Map(step.turns.map((turn) => [turn.id, turn]));
  const stateOf = ({ id }) => (!turns.has(id) ? "waits for rows" : turns.get(id).reads ? "reads" : "writes");
  const rows = [
    ...step.running.map((request) => row(request, stateOf(request), request.pages.length)),
    ...step.waiting.map((request) => row(request, "waits for pages or a turn", 0)),
  ];
  if (!rows.length) rows.push(make("tr", {}, make("td", { colSpan: 6, textContent: "none: all that was asked is written" })));
  find("requests").replaceChildren(...rows);
}

function row({ id, prompt, written, shared }, state, pages) {
  const mark = make("span", { className: `mark ${colour(id)}`, "aria-hidden": "true" });
  const counts = [prompt, written, pages, shared].map((value) => make("td", { className: "n", textContent: value === undefined ? "" : number(value) }));
  return make("tr", {}, make("th", { scope: "row" }, mark, `#${id}`), make("td", { textContent: state }), ...counts);
}

export function drawNumbers(step) {
  const rows = step.turns.reduce((sum, turn) => sum + turn.rows + turn.guessed, 0);
  const told = {
    "step": number(step.step),
    "rows in it": `${number(rows)} of ${number(step.budget)}`,
    "requests running": number(step.running.length),
    "waiting": number(step.waiting.length),
    "pages in use": `${number(step.pool.in_use)} of ${number(step.pool.pages)}`,
    "preemptions": number(step.preemptions),
  };
  find("numbers").replaceChildren(
    ...Object.entries(told).map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))),
  );
}
