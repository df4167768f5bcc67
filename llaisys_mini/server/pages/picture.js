// The steps as a picture: above, columns of rows with the budget; below, a line for each request.

import { number } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 46; // px for the labels of the axes
const TOP = 20;
const HEIGHT = 150; // of the columns
const LINE = 17; // px for a request
const MOST_LINES = 24;

export const colour = (id) => `c${id % 8}`;

function draw(parent, tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** How many steps fit into a picture of that width. */
export const columnsIn = (width) => Math.max(15, Math.min(60, Math.floor((width - LEFT) / 11)));

/** Draw these steps, of which the last is the one shown, as wide as `parent`. */
export function drawSteps(parent, steps) {
  const width = Math.max(260, parent.clientWidth);
  const columns = columnsIn(width);
  const pitch = (width - LEFT - 4) / columns;
  const lines = linesOf(steps);
  const bottom = TOP + HEIGHT;
  const height = bottom + 26 + lines.length * LINE + 4;
  const svg = document.createElementNS(SVG, "svg");
  const span = `steps ${steps[0].step} to ${steps.at(-1).step}`;
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, role: "img" })) svg.setAttribute(name, value);
  svg.setAttribute("aria-label", `Rows of ${lines.length} requests in ${span}. The step shown is told in words below.`);
  hatching(svg);

  const scale = drawAxes(svg, steps, width);
  const x = (place) => LEFT + (columns - steps.length + place) * pitch;
  const cell = Math.max(2, pitch - 1.5);
  steps.forEach((step, place) => drawColumn(svg, step, x(place), cell, bottom, scale));
  drawStepNumbers(svg, steps, x, pitch, bottom);
  lines.forEach((id, line) => drawLine(svg, id, steps, x, cell, bottom + 26 + line * LINE));
  for (const [y, tall] of [[TOP - 2, HEIGHT + 4], [bottom + 23, lines.length * LINE + 3]]) {
    draw(svg, "rect", { class: "selected", x: x(steps.length - 1) - 1.5, y, width: cell + 3, height: tall });
  }
  parent.replaceChildren(svg);
}

function hatching(svg) {
  const pattern = draw(draw(svg, "defs", {}), "pattern", { id: "hatching", width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  draw(pattern, "path", { d: "M1 0v4", class: "stripe" });
}

/** The requests that have or wait for rows in these steps, the first ones first; the latest, if there are too many. */
function linesOf(steps) {
  const ids = new Set(steps.flatMap((step) => [...step.turns, ...step.waiting].map((one) => one.id)));
  return [...ids].sort((a, b) => a - b).slice(-MOST_LINES);
}

const rowsOf = (step) => step.turns.reduce((sum, turn) => sum + turn.rows + turn.guessed, 0);

/** Axis, grid and budget; returns px per row. The budget is drawn where columns come near it: else all would be flat. */
function drawAxes(svg, steps, width) {
  const { budget } = steps.at(-1);
  const highest = Math.max(8, ...steps.map(rowsOf));
  const most = highest * 2 >= budget ? Math.max(budget, highest) : highest;
  const scale = HEIGHT / most;
  const bottom = TOP + HEIGHT;
  for (const rows of [0, Math.round(most / 2), most]) {
    const y = bottom - rows * scale;
    draw(svg, "path", { class: rows ? "grid" : "axis", d: `M${LEFT - 3} ${y}H${width}` });
    draw(svg, "text", { class: "label", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, rows);
  }
  draw(svg, "text", { class: "label", x: 0, y: 10 }, "rows");
  const words = `budget: ${number(budget)} rows in a step`;
  if (most >= budget) draw(svg, "path", { class: "budget", d: `M${LEFT} ${bottom - budget * scale}H${width}` });
  draw(svg, "text", { class: "label", x: width - 2, y: 10, "text-anchor": "end" }, most >= budget ? words : `${words}, far above ↑`);
  return scale;
}

function drawColumn(svg, step, x, width, bottom, scale) {
  const column = draw(svg, "g", { class: "column", "data-step": step.step });
  draw(column, "title", {}, wordsOf(step));
  draw(column, "rect", { class: "catch", x, y: TOP, width, height: HEIGHT });
  let y = bottom;
  for (const turn of [...step.turns].sort((a, b) => a.id - b.id)) {
    for (const [rows, kind] of [[turn.rows, turn.reads ? "hatch" : ""], [turn.guessed, "guess"]]) {
      if (!rows) continue;
      const height = rows * scale;
      y -= height;
      const place = { x, y, width, height: Math.max(0.5, height - (height > 3 ? 1 : 0)) };
      draw(column, "rect", { class: `${colour(turn.id)} ${kind === "guess" ? kind : ""}`, ...place });
      if (kind === "hatch") draw(column, "rect", { class: kind, ...place });
    }
  }
}

/** Numbers of steps below the columns, and a mark where steps are missing since they came too fast. */
function drawStepNumbers(svg, steps, x, pitch, bottom) {
  const every = pitch * 5 > 40 ? 5 : 10;
  steps.forEach((step, place) => {
    if (step.step % every === 0 && steps.length - 1 - place > 62 / pitch) {
      draw(svg, "text", { class: "label", x: x(place) + pitch / 2, y: bottom + 14, "text-anchor": "middle" }, step.step);
    }
    if (place && step.step !== steps[place - 1].step + 1) {
      draw(svg, "path", { class: "missing", d: `M${x(place) - 1} ${TOP}V${bottom + 4}` });
    }
  });
  const last = steps.length - 1;
  draw(svg, "text", { class: "label now", x: x(last) + pitch, y: bottom + 14, "text-anchor": "end" }, `step ${steps[last].step}`);
}

function drawLine(svg, id, steps, x, width, y) {
  const counts = []; // written over the cells: rows of a prompt, before the first of the steps that read it
  draw(svg, "text", { class: "label", x: LEFT - 6, y: y + 12, "text-anchor": "end" }, `#${id}`);
  const height = LINE - 3;
  steps.forEach((step, place) => {
    const turn = step.turns.find((one) => one.id === id);
    if (!turn) {
      const isHere = [...step.running, ...step.waiting].some((one) => one.id === id);
      if (isHere) draw(svg, "path", { class: "idle", d: `M${x(place)} ${y + height / 2}h${width}` });
      return;
    }
    const guessed = turn.guessed ? height / 2 : 0;
    const box = { x: x(place), y: y + guessed, width, height: height - guessed };
    draw(svg, "rect", { class: colour(id), ...box });
    if (turn.reads) draw(svg, "rect", { class: "hatch", ...box });
    if (guessed) draw(svg, "rect", { class: `${colour(id)} guess`, x: x(place) + 0.5, y: y + 0.5, width: width - 1, height: guessed - 1 });
    const before = steps[place - 1]?.turns.find((one) => one.id === id);
    if (turn.reads && before?.reads) counts.at(-1).rows += turn.rows;
    else if (turn.reads) counts.push({ x: x(place) - 2, rows: turn.rows });
  });
  for (const { x: end, rows } of counts) {
    if (end > LEFT + 20) draw(svg, "text", { class: "count", x: end, y: y + 11, "text-anchor": "end" }, rows);
  }
}

/** A step in words. */
export function wordsOf(step) {
  if (!step.turns.length) return `Step ${step.step}: no rows yet.`;
  const parts = step.turns.map((turn) => {
    const rows = turn.rows === 1 ? "1 row" : `${number(turn.rows)} rows`;
    const guessed = turn.guessed ? ` and ${turn.guessed} guessed` : "";
    return `#${turn.id} ${turn.reads ? "reads" : "writes"} with ${rows}${guessed}`;
  });
  return `Step ${step.step}, ${number(rowsOf(step))} of ${number(step.budget)} rows: ${parts.join("; ")}.`;
}
