// The 32 lanes of a warp add up their numbers by shuffles, in five steps.

const WIDGET = {
  title: "A sum over the 32 lanes of a warp",
  description: "Six rows of 32 lanes. In the first row lane i holds the number i. In each row below, a lane has added what the lane "
    + "16, then 8, 4, 2 and 1 further on held. Filled cells count: 16 of them, then 8, 4, 2 and one. Lane 0 ends with the sum of "
    + "all, 496.",
  width: 640,
  height: 300,
  begin(stage) {
    const LANES = 32, WIDE = 18.4, LEFT = 46, TOP = 26, PITCH = 48, STEPS = [16, 8, 4, 2, 1];
    const KINDS = [
      { name: "shfl_down: lane i + step", from: (lane, step) => (lane + step < LANES ? lane + step : lane), counts: (lane, step) => lane < step },
      { name: "shfl_xor: lane i XOR step", from: (lane, step) => lane ^ step, counts: () => true },
    ];
    let kind = KINDS[0], done = STEPS.length;

    const place = stage.slider("steps", { min: 0, max: STEPS.length, value: done, show: (n) => `${n} of ${STEPS.length}` }, (n) => { done = n; });
    const go = (by) => { done = Math.max(0, Math.min(STEPS.length, done + by)); place.value = done; };
    stage.button("From the beginning", () => go(-STEPS.length));
    stage.button("Back", () => go(-1));
    stage.button("Next", () => go(1));
    stage.choice("shuffle", KINDS.map(({ name }) => name), (chosen) => { kind = KINDS[chosen]; });

    return (canvas) => {
      const middle = (lane) => LEFT + (lane + 0.5) * WIDE, top = (row) => TOP + row * PITCH;
      let held = Array.from({ length: LANES }, (_, lane) => lane);
      svg(canvas, "text", { x: 4, y: TOP - 10, fill: SOFT }, "step");
      for (let row = 0; row <= done; row++) {
        const step = STEPS[row - 1];
        if (row > 0) {
          const before = held;
          held = before.map((value, lane) => value + before[kind.from(lane, step)]);
          svg(canvas, "text", { x: 4, y: top(row) + 14, fill: SOFT }, step);
          for (let lane = 0; lane < LANES; lane++) {
            if (!kind.counts(lane, step)) continue;
            for (const [from, colour] of [[lane, LINE], [kind.from(lane, step), VERMILION]]) {
              svg(canvas, "line", { x1: middle(from), y1: top(row - 1) + 20, x2: middle(lane), y2: top(row), stroke: colour, "stroke-width": row === done ? 1.5 : 0.7 });
            }
          }
        }
        for (let lane = 0; lane < LANES; lane++) {
          const counts = row === 0 || kind.counts(lane, step);
          svg(canvas, "rect", { x: LEFT + lane * WIDE, y: top(row), width: WIDE, height: 20, fill: counts ? SKY : CARD, "fill-opacity": 0.5, stroke: LINE });
          svg(canvas, "text", { x: middle(lane), y: top(row) + 14, "text-anchor": "middle", "font-size": 8.5, fill: counts ? INK : LINE }, held[lane]);
        }
      }
      if (done === 0) return "Lane i holds the number i. Next: each lane adds what the lane 16 further on holds.";
      const step = STEPS[done - 1], all = kind === KINDS[1];
      const which = all ? `lane i XOR ${step}` : `lane i + ${step}`;
      const parts = all ? `any ${step} neighbours` : `lanes 0 to ${step - 1}`;
      return `Step ${step}: lane i adds what ${which} holds. ` + (done < STEPS.length
        ? `What ${parts} hold adds up to the sum of all 32 numbers.`
        : `${all ? "Every lane" : "Lane 0"} now holds the sum, ${held[0]}.`) + (all ? "" : " Pale lanes hold sums that nobody needs.");
    };
  },
};
