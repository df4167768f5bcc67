// What all widgets share: a drawing above its controls, and a line that says in words what the drawing shows.
// A widget is { title, description, width, height, begin(stage) }; begin makes the controls and returns
// draw(canvas), which draws the present state into an empty <g> and returns the line of words.
// All drawing is in dark ink on a light card; llaisys_mini/lectures/theme.py turns the card dark on a dark page.

const INK = "#222222", SOFT = "#555555", LINE = "#999999", PALE = "#DDDDDD", CARD = "#FBFBF8";
const BLUE = "#0072B2", VERMILION = "#D55E00", GREEN = "#009E73", ORANGE = "#E69F00", SKY = "#56B4E9";

const STYLE = `
  :host { display: inline-block; box-sizing: border-box; max-width: 100%; padding: 10px 12px; background: ${CARD};
          color: ${INK}; color-scheme: light; font: 14px/1.4 system-ui, sans-serif; }
  svg { display: block; max-width: 100%; height: auto; touch-action: pan-y; }
  .controls { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; margin-top: 6px; }
  label { display: inline-flex; gap: 6px; align-items: center; }
  input[type=range] { width: 190px; accent-color: ${BLUE}; }
  button, select { font: inherit; color: inherit; background: #EEEEEA; border: 1px solid ${LINE}; border-radius: 4px;
                   padding: 2px 9px; cursor: pointer; }
  button[aria-pressed=true] { background: ${BLUE}; color: white; }
  output { min-width: 3em; font-variant-numeric: tabular-nums; }
  p { margin: 6px 0 0; min-height: 2.8em; font-variant-numeric: tabular-nums; }
  .handle { cursor: grab; touch-action: none; }
  :focus-visible { outline: 2px solid ${BLUE}; outline-offset: 2px; }
`;

/** An SVG element in `parent`. */
function svg(parent, name, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function html(parent, name, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  parent.append(made);
  return made;
}

/** A number with `digits` digits after the point and a true minus sign; never "−0.00". */
function number(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

class Stage {
  constructor(host, widget) {
    const root = host.attachShadow({ mode: "open" });
    html(root, "style", { textContent: STYLE });
    this.svg = svg(root, "svg", {
      viewBox: `0 0 ${widget.width} ${widget.height}`, width: widget.width, height: widget.height,
      role: "group", "aria-label": widget.title, "font-family": "system-ui, sans-serif", "font-size": 13, fill: INK,
    });
    svg(this.svg, "desc", {}, widget.description);
    svg(this.svg, "rect", { width: widget.width, height: widget.height, fill: CARD });
    this.canvas = svg(this.svg, "g");
    this.handles = svg(this.svg, "g");
    this.controls = html(root, "div", { className: "controls" });
    this.words = html(root, "p");
    this.words.setAttribute("role", "status");
    this.followers = [];
    this.draw = widget.begin(this);
    this.redraw();
  }

  redraw() {
    this.canvas.replaceChildren();
    this.words.textContent = this.draw(this.canvas);
    for (const follow of this.followers) follow();
  }

  button(label, action) {
    const made = html(this.controls, "button", { type: "button", textContent: label });
    made.addEventListener("click", () => { action(made); this.redraw(); });
    return made;
  }

  choice(label, options, action) {
    const made = html(html(this.controls, "label", { textContent: label }), "select");
    for (const option of options) html(made, "option", { textContent: option });
    made.addEventListener("change", () => { action(made.selectedIndex); this.redraw(); });
    return made;
  }

  /** A slider; `show` turns its value to the text beside it. */
  slider(label, { min, max, step = 1, value, show = String }, action) {
    const outside = html(this.controls, "label", { textContent: label });
    const made = html(outside, "input", { type: "range", min, max, step, value });
    const beside = html(outside, "output");
    this.followers.push(() => { beside.textContent = show(Number(made.value)); });
    made.addEventListener("input", () => { action(Number(made.value)); this.redraw(); });
    return made;
  }

  /** A button that calls `step` again and again until it returns false, or until it is pressed once more. */
  player(step, milliseconds) {
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; made.textContent = "Play"; };
    const made = this.button("Play", () => {
      if (timer !== null) return stop();
      made.textContent = "Pause";
      timer = setInterval(() => {
        const goesOn = this.svg.isConnected && step();
        this.redraw();
        if (!goesOn) stop();
      }, milliseconds);
    });
    return { stop };
  }

  /** A point to drag, or to move with the arrow keys. place() -> [x, y] in the drawing; move(x, y) is where it should go. */
  handle(label, colour, place, move, keyStep = 6) {
    const made = svg(this.handles, "circle", { r: 8, fill: colour, "fill-opacity": 0.85, stroke: CARD, "stroke-width": 2,
      class: "handle", tabindex: 0, role: "button", "aria-label": `${label}: drag, or move with the arrow keys` });
    svg(made, "title", {}, label);
    const to = (x, y) => { move(x, y); this.redraw(); };
    made.addEventListener("pointerdown", (event) => { made.setPointerCapture(event.pointerId); event.preventDefault(); made.focus(); });
    made.addEventListener("pointermove", (event) => {
      if (!made.hasPointerCapture(event.pointerId)) return;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      to(at.x, at.y);
    });
    made.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (dx === 0 && dy === 0) return;
      event.preventDefault();
      const [x, y] = place();
      to(x + keyStep * dx, y + keyStep * dy);
    });
    this.followers.push(() => {
      const [x, y] = place();
      made.setAttribute("cx", x.toFixed(1));
      made.setAttribute("cy", y.toFixed(1));
    });
  }
}

/** Put the widget in the place of its picture: of the first beside `script` that still is one. VS Code moves scripts. */
function start(script, name, widget) {
  const hosts = script.parentElement.querySelectorAll(`[data-widget="${name}"]`);
  const host = [...hosts].find((candidate) => !candidate.shadowRoot);
  if (host) new Stage(host, widget);
}
