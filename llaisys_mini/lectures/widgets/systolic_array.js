// A systolic array of 3 x 3 units multiplies two matrices: numbers move on by one unit in each step.

const WIDGET = {
  title: "A systolic array",
  description: "Nine units in a square. Rows of A wait on the left, columns of B above, each one step later than its neighbour. Each "
    + "unit shows the two numbers that it has in hand, and below them its sum. In the step shown the units on a diagonal band are at work.",
  width: 640,
  height: 350,
  begin(stage) {
    const A = [[2, 1, 3], [4, 2, 1], [1, 3, 2]], B = [[1, 2, 4], [3, 1, 2], [2, 4, 1]];
    const N = 3, STEPS = 3 * N - 2, SIDE = 62, LEFT = 232, TOP = 150, QUEUE = 28;
    let done = 3;

    const place = stage.slider("step", { min: 0, max: STEPS, value: done, show: (n) => `${n} of ${STEPS}` }, (n) => { done = n; });
    const go = (by) => { done = Math.max(0, Math.min(STEPS, done + by)); place.value = done; };
    stage.button("From the beginning", () => go(-STEPS));
    stage.button("Back", () => go(-1));
    stage.button("Next", () => go(1));

    // In step t the unit (m, n) has a[m][k] and b[k][n] in hand for k = t - 1 - m - n.
    const term = (m, n, step) => step - 1 - m - n;
    const works = (m, n, step) => term(m, n, step) >= 0 && term(m, n, step) < N;
    const sum = (m, n) => {
      let total = 0;
      for (let step = 1; step <= done; step++) {
        if (works(m, n, step)) total += A[m][term(m, n, step)] * B[term(m, n, step)][n];
      }
      return total;
    };

    return (canvas) => {
      const words = (x, y, text, colour, size = 14) =>
        svg(canvas, "text", { x, y, fill: colour, "text-anchor": "middle", "font-size": size }, text);
      let busy = 0;
      for (let m = 0; m < N; m++) {
        for (let n = 0; n < N; n++) {
          const x = LEFT + n * SIDE, y = TOP + m * SIDE, k = term(m, n, done), active = works(m, n, done);
          svg(canvas, "rect", { x, y, width: SIDE - 6, height: SIDE - 6, fill: active ? ORANGE : CARD, "fill-opacity": 0.45, stroke: LINE });
          if (active) {
            busy += 1;
            words(x + 28, y + 22, `${A[m][k]} · ${B[k][n]}`, INK);
          }
          words(x + 28, y + 46, sum(m, n), SOFT, 15);
        }
      }
      for (let one = 0; one < N; one++) {
        for (let k = 0; k < N; k++) {
          const wait = k + one + 1 - done; // steps until it enters
          if (wait <= 0) continue;
          words(LEFT - 6 - QUEUE * wait + 10, TOP + one * SIDE + 33, A[one][k], BLUE);
          words(LEFT + one * SIDE + 28, TOP - 4 - QUEUE * wait + 18, B[k][one], VERMILION);
        }
        svg(canvas, "line", { x1: LEFT - 12, y1: TOP + one * SIDE + 28, x2: LEFT - 2, y2: TOP + one * SIDE + 28, stroke: BLUE });
        svg(canvas, "line", { x1: LEFT + one * SIDE + 28, y1: TOP - 12, x2: LEFT + one * SIDE + 28, y2: TOP - 2, stroke: VERMILION });
      }
      words(54, TOP + 90, "rows of A", BLUE, 13);
      words(LEFT + 250, 40, "columns of B", VERMILION, 13);
      words(LEFT + 310, TOP + 50, "above: the product", SOFT, 13);
      words(LEFT + 310, TOP + 68, "of this step", SOFT, 13);
      words(LEFT + 310, TOP + 98, "below: the sum so far", SOFT, 13);
      if (done === 0) return "Nothing has entered yet. Each row of A, and each column of B, waits one step longer than the one before.";
      const said = `Step ${done}: ${busy} of ${N * N} units ${busy === 1 ? "is" : "are"} at work.`;
      return said + (done < STEPS
        ? " Each number moves on to the next unit, A to the right and B down, and is used again there."
        : " All sums are complete: each number was fetched once and used three times.");
    };
  },
};
