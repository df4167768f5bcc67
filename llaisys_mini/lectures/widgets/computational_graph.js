// One neuron with a squared loss as a graph: values flow forward, gradients flow back, one node at a time.

const WIDGET = {
  title: "A computational graph, forward and backward",
  description: "A graph of one neuron: w times x is u, u plus b is z, the sigmoid of z is a, and the loss L is the square of a "
    + "minus 1. Values go from left to right. Gradients go back from right to left: each node hands to those before it its "
    + "own gradient times the derivative that stands on the arrow.",
  width: 660,
  height: 250,
  begin(stage) {
    let w = 1.5, x = -1, b = 0.5, step = 9; // all is shown: this is the still picture too
    const STEPS = 9, TARGET = 1;
    const NODES = { w: [40, 44], x: [40, 158], u: [180, 100], b: [180, 205], z: [315, 130], a: [455, 130], L: [610, 130] };
    const FORMULA = { u: "u = w · x", z: "z = u + b", a: "a = σ(z)", L: "L = (a − 1)²" };
    // In which step a value and a gradient are known.
    const VALUE_AT = { w: 0, x: 0, b: 0, u: 1, z: 2, a: 3, L: 4 }, GRADIENT_AT = { L: 5, a: 6, z: 7, u: 8, b: 8, w: 9, x: 9 };

    const place = stage.slider("step", { min: 0, max: STEPS, value: step, show: (n) => `${n} of ${STEPS}` }, (n) => { step = n; });
    const go = (by) => { step = Math.max(0, Math.min(STEPS, step + by)); place.value = step; };
    stage.button("From the beginning", () => go(-STEPS));
    stage.button("Back", () => go(-1));
    stage.button("Next", () => go(1));
    const show = (value) => number(value, 1);
    stage.slider("w", { min: -3, max: 3, step: 0.1, value: w, show }, (value) => { w = value; });
    stage.slider("x", { min: -3, max: 3, step: 0.1, value: x, show }, (value) => { x = value; });
    stage.slider("b", { min: -3, max: 3, step: 0.1, value: b, show }, (value) => { b = value; });

    return (canvas) => {
      const u = w * x, z = u + b, a = 1 / (1 + Math.exp(-z)), L = (a - TARGET) ** 2;
      const value = { w, x, b, u, z, a, L };
      const local = { a: 2 * (a - TARGET), z: a * (1 - a), u: 1, b: 1, w: x, x: w }; // of what comes next, by this
      const gradient = { L: 1 };
      for (const [name, next] of [["a", "L"], ["z", "a"], ["u", "z"], ["b", "z"], ["w", "u"], ["x", "u"]]) {
        gradient[name] = gradient[next] * local[name];
      }
      const formula = { a: "2(a − 1)", z: "a(1 − a)", u: "1", b: "1", w: "x", x: "w" };
      const edges = [["w", "u"], ["x", "u"], ["u", "z"], ["b", "z"], ["z", "a"], ["a", "L"]];
      for (const [from, to] of edges) {
        const [x1, y1] = NODES[from], [x2, y2] = NODES[to], length = Math.hypot(x2 - x1, y2 - y1);
        const dx = (x2 - x1) / length, dy = (y2 - y1) / length;
        const back = step >= GRADIENT_AT[from], [sx, sy, ex, ey] = [x1 + 24 * dx, y1 + 24 * dy, x2 - 26 * dx, y2 - 26 * dy];
        const [hx, hy, way] = back ? [sx, sy, -1] : [ex, ey, 1];
        svg(canvas, "line", { x1: sx, y1: sy, x2: ex, y2: ey, stroke: back ? VERMILION : LINE, "stroke-width": back ? 2.5 : 1.5 });
        svg(canvas, "polygon", { fill: back ? VERMILION : LINE, points: [[0, 0], [-9, 4.5], [-9, -4.5]]
          .map(([along, side]) => `${(hx + way * along * dx - side * dy).toFixed(1)},${(hy + way * along * dy + side * dx).toFixed(1)}`).join(" ") });
        if (step >= VALUE_AT.L) {
          const x = (x1 + x2) / 2, y = (y1 + y2) / 2, style = { "text-anchor": "middle", "font-size": 12, fill: back ? VERMILION : SOFT };
          svg(canvas, "text", { x, y: y - 9 - 14 * Math.abs(dy), ...style }, formula[from]);
          if (formula[from] !== "1") svg(canvas, "text", { x, y: y + 19 + 12 * Math.abs(dy), ...style }, number(local[from]));
        }
      }
      for (const [name, [cx, cy]] of Object.entries(NODES)) {
        const now = VALUE_AT[name] === step && step > 0 || GRADIENT_AT[name] === step;
        svg(canvas, "circle", { cx, cy, r: 22, fill: CARD, stroke: now ? BLUE : INK, "stroke-width": now ? 3.5 : 1.5 });
        svg(canvas, "text", { x: cx, y: cy + 5, "text-anchor": "middle", "font-style": "italic", "font-size": 15 }, name);
        if (step >= VALUE_AT[name]) {
          svg(canvas, "text", { x: cx, y: cy - 28, "text-anchor": "middle", fill: BLUE, "font-weight": 600 }, number(value[name]));
        }
        if (step >= GRADIENT_AT[name]) {
          svg(canvas, "text", { x: cx, y: cy + 39, "text-anchor": "middle", fill: VERMILION, "font-weight": 600 }, number(gradient[name]));
        }
      }
      svg(canvas, "text", { x: 330, y: 220, fill: BLUE }, "above a node: its value");
      svg(canvas, "text", { x: 330, y: 240, fill: VERMILION }, "below: ∂L/∂node; on an arrow: its derivative");
      if (step === 0) return "The inputs w, x and b are known. Next: u = w · x.";
      if (step <= 4) {
        const name = Object.keys(FORMULA)[step - 1];
        return `Forward: ${FORMULA[name]} = ${number(value[name])}.` + (step === 4 ? " Now the way back begins." : "");
      }
      const told = (name, next) => `∂L/∂${name} = ∂L/∂${next} · ${formula[name]} = ${number(gradient[next])} · ${number(local[name])} = ${number(gradient[name], 3)}`;
      return "Backward: " + {
        5: "∂L/∂L = 1.", 6: `${told("a", "L")}.`, 7: `${told("z", "a")}.`, 8: `${told("u", "z")}, and for b the same.`,
        9: `${told("w", "u")}; ${told("x", "u")}.`,
      }[step];
    };
  },
};
