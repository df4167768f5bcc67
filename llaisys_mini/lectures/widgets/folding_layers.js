// Layers that fold the line from -1 to 1: layer n computes |x| - 1/2^n with two ReLU neurons. One boundary on top, unfolded.

const MOST = 5;

const WIDGET = {
  title: "Layers that fold a line",
  description: "Left, the output of three layers of two neurons each over their input from minus 1 to 1: a zigzag of eight "
    + "straight pieces. Right, the same line folded: eight sheets side by side. One boundary crosses all of them, so along "
    + "the input, on the bar below, the answer changes eight times. The marked input shares its output with seven others.",
  width: 640,
  height: 330,
  begin(stage) {
    const LEFT = 64, TOP = 30, WIDE = 330, HIGH = 210, SHEETS = 436, ROOM = 186;
    let layers = 3, level = 0.25, input = 0.3;
    const size = () => 0.5 ** layers;  // outputs lie between -size and size
    const fold = (x) => { for (let n = 1; n <= layers; n++) x = Math.abs(x) - 0.5 ** n; return x; };
    const column = (x) => LEFT + (x + 1) / 2 * WIDE, row = (y) => TOP + (1 - y / size()) / 2 * HIGH;
    const fraction = (n) => n === 0 ? "1" : `1/${2 ** n}`;

    stage.slider("layers", { min: 0, max: MOST, value: layers }, (value) => { layers = value; });
    stage.slider("boundary", { min: -0.95, max: 0.95, step: 0.05, value: level, show: (value) => number(value * size(), 3) },
      (value) => { level = value; });
    stage.slider("input x", { min: -1, max: 1, step: 0.02, value: input, show: (value) => number(value) }, (value) => { input = value; });

    /** The ends of the straight pieces. Layer n bends where its input is 0, which is where the layers before map to 0. */
    const corners = () => Array.from({ length: 2 ** layers + 1 }, (_, n) => -1 + n * 2 / 2 ** layers);

    /** All inputs with the output y: one on each piece, twice at a corner. */
    function inputsOf(y) {
      const ends = corners(), found = [];
      for (let n = 0; n + 1 < ends.length; n++) {
        const a = fold(ends[n]), z = fold(ends[n + 1]), share = (y - a) / (z - a);
        if (share >= -1e-9 && share <= 1 + 1e-9) found.push(ends[n] + share * (ends[n + 1] - ends[n]));
      }
      return found.filter((x, place) => place === 0 || x - found[place - 1] > 1e-6);
    }

    /** The stretches of the input whose output is above the boundary. */
    function above() {
      const ends = [-1, ...inputsOf(level * size()), 1].filter((x, place, all) => place === 0 || x - all[place - 1] > 1e-9);
      return ends.slice(1).map((end, place) => [ends[place], end]).filter(([a, z]) => fold((a + z) / 2) > level * size());
    }

    return (canvas) => {
      const pieces = 2 ** layers, y = fold(input), ends = corners(), stretches = above(), same = inputsOf(y);
      svg(canvas, "text", { x: LEFT, y: 17 }, "output over input");
      svg(canvas, "text", { x: SHEETS, y: 17 }, "the folded line");
      for (const [value, text] of [[1, fraction(layers)], [0, "0"], [-1, `−${fraction(layers)}`]]) {
        const at = row(value * size());
        svg(canvas, "text", { x: LEFT - 9, y: at + 4, "text-anchor": "end", fill: SOFT }, text);
        svg(canvas, "path", { d: `M${LEFT} ${at}h${WIDE}`, stroke: PALE });
      }
      // A boundary on top of the last layer crosses every sheet.
      const cut = row(level * size());
      svg(canvas, "path", { d: `M${LEFT} ${cut}h${WIDE}M${SHEETS - 8} ${cut}h${ROOM + 16}`, stroke: INK, "stroke-dasharray": "6 4" });
      const zigzag = ends.map((x) => `${column(x).toFixed(1)},${row(fold(x)).toFixed(1)}`).join(" ");
      svg(canvas, "polyline", { points: zigzag, fill: "none", stroke: VERMILION, "stroke-width": 2 });
      // Each piece of the line as a sheet, joined at its ends.
      const gap = ROOM / pieces, sheet = (place) => SHEETS + (place + 0.5) * gap;
      let path = "";
      for (let n = 0; n < pieces; n++) {
        const from = row(fold(ends[n])).toFixed(1), to = row(fold(ends[n + 1])).toFixed(1);
        path += `${n ? "L" : "M"}${sheet(n).toFixed(1)} ${from}L${sheet(n).toFixed(1)} ${to}`;
      }
      svg(canvas, "path", { d: path, fill: "none", stroke: VERMILION, "stroke-width": 2, "stroke-linejoin": "round" });
      for (const x of same) {
        const here = Math.abs(x - input) < 1e-6, dot = { r: here ? 6 : 4.5, fill: here ? GREEN : CARD, stroke: GREEN, "stroke-width": 2 };
        svg(canvas, "circle", { cx: column(x).toFixed(1), cy: row(y).toFixed(1), ...dot });
        const place = Math.min(pieces - 1, Math.floor((x + 1) / 2 * pieces));
        svg(canvas, "circle", { cx: sheet(place).toFixed(1), cy: row(y).toFixed(1), ...dot });
      }
      // The input, with the stretches above the boundary.
      const bar = TOP + HIGH + 24;
      svg(canvas, "rect", { x: LEFT, y: bar, width: WIDE, height: 16, fill: VERMILION, "fill-opacity": 0.22 });
      for (const [a, z] of stretches)
        svg(canvas, "rect", { x: column(a).toFixed(1), y: bar, width: (column(z) - column(a)).toFixed(1), height: 16, fill: BLUE, "fill-opacity": 0.55 });
      for (const [x, text] of [[-1, "−1"], [0, "0"], [1, "1"]])
        svg(canvas, "text", { x: column(x), y: bar + 34, "text-anchor": "middle", fill: SOFT }, text);
      svg(canvas, "text", { x: LEFT - 9, y: bar + 13, "text-anchor": "end", fill: SOFT }, "input");
      svg(canvas, "text", { x: SHEETS - 8, y: bar + 13, fill: SOFT }, "blue: above the boundary");
      const changes = inputsOf(level * size()).length, others = same.length - 1;
      const network = layers === 0 ? "No hidden layer: 1 straight piece."
        : `${layers} ${layers === 1 ? "layer" : "layers"} of 2 neurons: ${pieces} straight pieces; one hidden layer of ${2 * layers} makes at most ${2 * layers + 1}.`;
      return `${network} The answer changes ${changes} ${changes === 1 ? "time" : "times"} along the input. x = ${number(input)} has the output `
        + `${number(y, 3)}, and so ${others === 1 ? "has 1 other input" : `have ${others} other inputs`}.`;
    };
  },
};
