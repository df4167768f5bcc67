// A boundary to drag, and the perceptron rule that moves it by itself: w ← w + y x and b ← b + y at a wrong point.

const POINTS = [
  [1.6, 1.9, 1], [0.4, 2.2, 1], [2.3, 0.6, 1], [1.1, 0.9, 1], [-0.5, 1.5, 1], [2.1, -0.7, 1], [0.9, 0.0, 1],
  [-1.7, -1.2, -1], [-0.6, -2.1, -1], [-2.3, 0.3, -1], [0.7, -1.9, -1], [-1.2, -0.2, -1], [-0.2, -1.0, -1], [-2.0, 1.3, -1],
];

const WIDGET = {
  title: "A boundary and the perceptron rule",
  description: "Fourteen points of two classes in a plane, and a straight boundary with the arrow of the weights at a right "
    + "angle to it. Seven points lie on the wrong side. The boundary can be dragged and turned, and the perceptron rule "
    + "moves it by one wrong point after the other until none is left.",
  width: 560,
  height: 372,
  begin(stage) {
    const LEFT = 24, TOP = 8, SIDE = 356, scale = SIDE / 6;
    const column = (x) => LEFT + (x + 3) * scale, row = (y) => TOP + (3 - y) * scale;
    const back = (px, py) => [(px - LEFT) / scale - 3, 3 - (py - TOP) / scale];
    let w, b, used, steps, next;
    const reset = () => { w = [-0.8, 1.1]; b = 0.4; used = null; steps = 0; next = 0; };
    reset();

    const score = ([x1, x2]) => w[0] * x1 + w[1] * x2 + b;
    const wrong = (point) => score(point) * point[2] <= 0;
    const foot = () => { const size = w[0] ** 2 + w[1] ** 2 || 1; return [-b * w[0] / size, -b * w[1] / size]; };
    const tip = () => { const [x, y] = foot(), length = Math.hypot(...w) || 1; return [x + 1.2 * w[0] / length, y + 1.2 * w[1] / length]; };
    const inside = (value) => Math.max(-2.9, Math.min(2.9, value));

    function step() {
      for (let tried = 0; tried < POINTS.length; tried++) {
        const point = POINTS[(next + tried) % POINTS.length];
        if (!wrong(point)) continue;
        const [x1, x2, y] = point;
        w = [w[0] + y * x1, w[1] + y * x2];
        b += y;
        used = point;
        steps += 1;
        next = (next + tried + 1) % POINTS.length;
        return true;
      }
      used = null;
      return false;
    }

    stage.button("One step of the rule", () => step());
    const player = stage.player(step, 800);
    stage.button("Start again", () => { player.stop(); reset(); });
    stage.handle("shift the boundary", BLUE, () => { const [x, y] = foot(); return [column(x), row(y)]; }, (px, py) => {
      const [x, y] = back(px, py).map(inside);
      b = -(w[0] * x + w[1] * y);
      used = null;
    });
    stage.handle("turn the boundary", VERMILION, () => { const [x, y] = tip(); return [column(x), row(y)]; }, (px, py) => {
      const [x, y] = back(px, py), [x0, y0] = foot(), length = Math.hypot(x - x0, y - y0), size = Math.hypot(...w) || 1;
      if (length < 0.05) return;
      w = [size * (x - x0) / length, size * (y - y0) / length];
      b = -(w[0] * x0 + w[1] * y0);
      used = null;
    }, 12);

    /** The corners of the square's part where the score times `sign` is positive. */
    function half(sign) {
      const corners = [[-3, -3], [3, -3], [3, 3], [-3, 3]], kept = [];
      corners.forEach((from, place) => {
        const to = corners[(place + 1) % 4], a = sign * score(from), z = sign * score(to);
        if (a >= 0) kept.push(from);
        if (a * z < 0) kept.push([0, 1].map((i) => from[i] + (to[i] - from[i]) * a / (a - z)));
      });
      return kept.map(([x, y]) => `${column(x).toFixed(1)},${row(y).toFixed(1)}`).join(" ");
    }

    return (canvas) => {
      svg(canvas, "polygon", { points: half(1), fill: BLUE, "fill-opacity": 0.14 });
      svg(canvas, "polygon", { points: half(-1), fill: VERMILION, "fill-opacity": 0.14 });
      svg(canvas, "path", { d: `M${LEFT} ${row(0)}h${SIDE}M${column(0)} ${TOP}v${SIDE}`, stroke: LINE, "stroke-width": 0.7 });
      svg(canvas, "text", { x: LEFT + SIDE - 18, y: row(0) - 5, fill: SOFT }, "x₁");
      svg(canvas, "text", { x: column(0) + 5, y: TOP + 12, fill: SOFT }, "x₂");
      const [fx, fy] = foot(), [tx, ty] = tip(), far = 9 / (Math.hypot(...w) || 1);
      svg(svg(canvas, "clipPath", { id: "plane" }), "rect", { x: LEFT, y: TOP, width: SIDE, height: SIDE });
      svg(canvas, "line", { x1: column(fx - far * w[1]), y1: row(fy + far * w[0]), x2: column(fx + far * w[1]), y2: row(fy - far * w[0]),
        stroke: INK, "stroke-width": 2, "clip-path": "url(#plane)" });
      svg(canvas, "line", { x1: column(fx), y1: row(fy), x2: column(tx), y2: row(ty), stroke: VERMILION, "stroke-width": 2 });
      for (const point of POINTS) {
        const [x, y, label] = point, px = column(x), py = row(y);
        if (label > 0) svg(canvas, "circle", { cx: px, cy: py, r: 5.5, fill: BLUE });
        else svg(canvas, "rect", { x: px - 5, y: py - 5, width: 10, height: 10, fill: VERMILION });
        if (wrong(point)) svg(canvas, "circle", { cx: px, cy: py, r: 10, fill: "none", stroke: INK, "stroke-width": 1.5 });
        if (point === used) svg(canvas, "circle", { cx: px, cy: py, r: 14, fill: "none", stroke: GREEN, "stroke-width": 2.5 });
      }
      const lines = [
        `w = (${number(w[0])}, ${number(w[1])})`, `b = ${number(b)}`, "", "circle: y = +1", "square: y = −1", "ring: on the wrong side",
        ...(used ? ["green ring: used just now"] : []),
      ];
      lines.forEach((text, place) => svg(canvas, "text", { x: LEFT + SIDE + 14, y: 30 + 21 * place, fill: place < 2 ? INK : SOFT }, text));
      const count = POINTS.filter(wrong).length;
      const last = used ? `The rule used (${number(used[0], 1)}, ${number(used[1], 1)}) with y = ${used[2] > 0 ? "+1" : "−1"}. ` : "";
      return `${last}${count} of ${POINTS.length} points are on the wrong side; ${steps} steps of the rule so far.`
        + (count === 0 ? " Nothing is wrong, so the rule stops." : "");
    };
  },
};
