// A walk over a tensor: which place in memory each element has, and how many cache lines the walk fetches.

const WIDGET = {
  title: "Strides and cache lines",
  description: "Above, a tensor of 4 rows and 8 columns as a grid; below, its 32 numbers in memory, in cache lines of 4. The "
    + "walk has come to element (1, 2), which is number 10 in memory. For the rows as they lie a line is fetched once for four "
    + "numbers; for the transpose one is fetched for each number.",
  width: 640,
  height: 318,
  begin(stage) {
    const SIZE = 32, LINE_LENGTH = 4, KEPT = 3; // numbers in memory, in a line; lines that the cache holds
    const VIEWS = [
      { name: "t", shape: [4, 8], strides: [8, 1], offset: 0 },
      { name: "t.permute(1, 0)", shape: [8, 4], strides: [1, 8], offset: 0 },
      { name: "t.slice(1, 2, 6)", shape: [4, 4], strides: [8, 1], offset: 2 },
      { name: "row 0, broadcast to (4, 8)", shape: [4, 8], strides: [0, 1], offset: 0 },
    ];
    let view = VIEWS[0], read = 11;
    const count = () => view.shape[0] * view.shape[1];
    const index = (turn) => [Math.floor(turn / view.shape[1]), turn % view.shape[1]];
    const position = (turn) => { const [i, j] = index(turn); return view.offset + i * view.strides[0] + j * view.strides[1]; };

    const place = stage.slider("numbers read", { min: 0, max: SIZE, value: read, show: (n) => `${n} of ${count()}` }, (n) => { read = n; });
    const go = (by) => { read = Math.max(0, Math.min(count(), read + by)); place.value = read; return read < count(); };
    stage.button("Back", () => go(-1));
    stage.button("Next", () => go(1));
    const player = stage.player(() => go(1), 350);
    stage.choice("view", VIEWS.map(({ name }) => name), (chosen) => {
      player.stop();
      view = VIEWS[chosen];
      place.max = count();
      read = 0;
      place.value = read;
    });

    return (canvas) => {
      const cache = []; // the lines it holds, the one used last at the end
      let fetched = 0, hit = true;
      for (let turn = 0; turn < read; turn++) {
        const line = Math.floor(position(turn) / LINE_LENGTH), found = cache.indexOf(line);
        hit = found >= 0;
        if (hit) cache.splice(found, 1);
        else fetched += 1;
        cache.push(line);
        if (cache.length > KEPT) cache.shift();
      }
      const seen = new Set(Array.from({ length: read }, (_, turn) => position(turn)));
      const now = read > 0 ? position(read - 1) : -1, cell = Math.min(22, 170 / view.shape[0]);
      svg(canvas, "text", { x: 12, y: 18 }, `${view.name}: shape (${view.shape.join(", ")}), strides (${view.strides.join(", ")}), offset ${view.offset}`);
      for (let turn = 0; turn < count(); turn++) {
        const [i, j] = index(turn), x = 12 + j * (cell + 14), y = 30 + i * (cell + 1);
        const face = turn === read - 1 ? VERMILION : turn < read ? SKY : "none";
        svg(canvas, "rect", { x, y, width: cell + 13, height: cell, fill: face, "fill-opacity": face === SKY ? 0.45 : 1, stroke: LINE });
        svg(canvas, "text", { x: x + (cell + 13) / 2, y: y + cell / 2 + 5, "text-anchor": "middle", fill: turn === read - 1 ? "white" : INK }, position(turn));
      }
      svg(canvas, "text", { x: 350, y: 52, fill: SOFT }, "In each cell: its place in memory.");
      svg(canvas, "text", { x: 350, y: 76, "font-weight": 600 }, `${read} numbers read, ${fetched} lines fetched`);
      svg(canvas, "text", { x: 350, y: 100, fill: SOFT }, `in the cache: ${cache.length ? `lines ${[...cache].sort((a, b) => a - b).join(", ")}` : "nothing yet"}`);
      const TOP = 238, wide = 18.5;
      svg(canvas, "text", { x: 12, y: TOP - 12, fill: SOFT }, "memory in lines of 4 numbers (on most CPUs: 16 float32); green: in the cache");
      for (let at = 0; at < SIZE; at++) {
        const x = 12 + at * wide + Math.floor(at / LINE_LENGTH) * 3;
        const face = at === now ? VERMILION : seen.has(at) ? SKY : "none";
        svg(canvas, "rect", { x, y: TOP, width: wide, height: 26, fill: face, "fill-opacity": face === SKY ? 0.45 : 1, stroke: LINE });
        svg(canvas, "text", { x: x + wide / 2, y: TOP + 17, "text-anchor": "middle", "font-size": 11, fill: at === now ? "white" : INK }, at);
      }
      for (let line = 0; line < SIZE / LINE_LENGTH; line++) {
        const x = 12 + line * (LINE_LENGTH * wide + 3), width = LINE_LENGTH * wide;
        if (cache.includes(line)) svg(canvas, "rect", { x, y: TOP, width, height: 26, fill: "none", stroke: GREEN, "stroke-width": 3 });
        svg(canvas, "text", { x: x + width / 2, y: TOP + 44, "text-anchor": "middle", "font-size": 12, fill: SOFT }, `line ${line}`);
      }
      if (read === 0) return "The cache is empty. It holds 3 lines, and gives up the one that was used longest ago.";
      const [i, j] = index(read - 1), line = Math.floor(now / LINE_LENGTH);
      return `Element (${i}, ${j}) is at ${view.offset} + ${i} · ${view.strides[0]} + ${j} · ${view.strides[1]} = ${now}, in line ${line}. `
        + (hit ? "The cache holds this line." : "The cache did not hold this line: it is fetched from memory.");
    };
  },
};
