// Online softmax, one score at a time: the running maximum m and the sum s relative to it.

const WIDGET = {
  title: "Online softmax, one score at a time",
  description: "Above, eight scores, of which four have been read; a dashed line shows the largest so far, m = 5. Below, their "
    + "exponentials relative to m, which add up to s. When a score is larger than all before it, m rises and the sum so far is "
    + "multiplied by a factor below 1.",
  width: 600,
  height: 330,
  begin(stage) {
    const SETS = [[1, 3, 2, 5, 4.5, 0.5, 6, 2.5], [1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1], [3, 3, 3, 3, 3, 3, 3, 3]];
    const NAMES = ["mixed", "rising", "falling", "all equal"];
    let scores = SETS[0], read = 4;
    const COUNT = scores.length, LEFT = 60, PITCH = 50, TOP = 16, TALL = 120, BASE = TOP + TALL, SECOND = 300, LOW = 110;

    const place = stage.slider("scores read", { min: 0, max: COUNT, value: read, show: (n) => `${n} of ${COUNT}` }, (n) => { read = n; });
    const go = (by) => { read = Math.max(0, Math.min(COUNT, read + by)); place.value = read; };
    stage.button("Back", () => go(-1));
    stage.button("Next", () => go(1));
    stage.choice("scores", NAMES, (chosen) => { scores = SETS[chosen]; });

    /** m and s after the first `count` scores, as the online rule makes them. */
    function after(count) {
      let m = -Infinity, s = 0;
      for (const score of scores.slice(0, count)) {
        const larger = Math.max(m, score);
        s = s * Math.exp(m - larger) + Math.exp(score - larger);
        m = larger;
      }
      return [m, s];
    }

    return (canvas) => {
      const [m, s] = after(read), [before, sum] = after(Math.max(0, read - 1)), grew = read > 0 && m > before;
      const height = (score) => TALL * score / 8.5;
      svg(canvas, "text", { x: 8, y: TOP + 12, fill: SOFT }, "score");
      svg(canvas, "text", { x: 8, y: SECOND - LOW + 4, fill: SOFT }, "e^(x − m)");
      svg(canvas, "path", { d: `M${LEFT} ${BASE}h${COUNT * PITCH}M${LEFT} ${SECOND}h${COUNT * PITCH}`, stroke: INK });
      scores.forEach((score, i) => {
        const x = LEFT + i * PITCH + 8, width = PITCH - 16, seen = i < read, now = i === read - 1;
        svg(canvas, "rect", { x, width, y: BASE - height(score), height: height(score), fill: seen ? (now ? VERMILION : BLUE) : CARD,
          stroke: seen ? "none" : LINE, "stroke-dasharray": "3 3" });
        svg(canvas, "text", { x: x + width / 2, y: BASE + 16, "text-anchor": "middle", "font-size": 12, fill: SOFT }, number(score, 1));
        if (!seen) return;
        const share = Math.exp(score - m), tall = LOW * share;
        if (grew && !now) { // how tall it was before m grew
          const old = LOW * Math.exp(score - before);
          svg(canvas, "rect", { x, width, y: SECOND - old, height: old, fill: "none", stroke: LINE, "stroke-dasharray": "3 3" });
        }
        svg(canvas, "rect", { x, width, y: SECOND - tall, height: tall, fill: now ? VERMILION : BLUE });
        svg(canvas, "text", { x: x + width / 2, y: SECOND + 16, "text-anchor": "middle", "font-size": 12, fill: SOFT }, number(share));
      });
      const right = LEFT + COUNT * PITCH;
      if (read > 0) {
        svg(canvas, "line", { x1: LEFT, x2: right, y1: BASE - height(m), y2: BASE - height(m), stroke: INK, "stroke-dasharray": "6 4" });
        svg(canvas, "text", { x: right + 8, y: BASE - height(m) + 5, "font-weight": 600 }, `m = ${number(m, 1)}`);
      }
      svg(canvas, "text", { x: right + 8, y: SECOND - 20, "font-weight": 600 }, `s = ${number(s, 3)}`);
      svg(canvas, "text", { x: right + 8, y: SECOND, "font-size": 12, fill: SOFT }, "the bars added up");
      if (read === 0) return "Before the first score: m = −∞ and s = 0.";
      const score = number(scores[read - 1], 1);
      if (read === 1) return `The first score, ${score}, is the maximum: m = ${score} and s = e^0 = 1.`;
      if (grew) {
        return `${score} is larger than all before it. The old sum ${number(sum, 3)} is multiplied by e^(${number(before, 1)} − ${number(m, 1)}) = `
          + `${number(Math.exp(before - m), 3)}, then e^0 = 1 is added: s = ${number(s, 3)}.`;
      }
      return `${score} is not larger than m. The sum stays as it is, and e^(${score} − ${number(m, 1)}) = ${number(Math.exp(scores[read - 1] - m), 3)} is added: `
        + `s = ${number(s, 3)}.`;
    };
  },
};
