// The bits of a 16-bit float, each of them to be switched, and the number that they stand for.

const WIDGET = {
  title: "The bits of a 16-bit float",
  description: "The sixteen bits of a float16: one for the sign, five for the exponent, ten for the fraction. They stand for "
    + "1.5 times 2 to the power of 0, which is 1.5. A number line shows the neighbours that float16 has on either side.",
  width: 600,
  height: 226,
  begin(stage) {
    const FORMATS = [{ name: "float16", exponent: 5, fraction: 10 }, { name: "bfloat16", exponent: 8, fraction: 7 }];
    let format = FORMATS[0], bits = 0b0_01111_1000000000;
    const LEFT = 22, PITCH = 34.5, TOP = 40;

    /** The number of 16 bits, as IEEE 754 says. */
    function value(whole) {
      const sign = whole >> 15 ? -1 : 1, fraction = whole & (1 << format.fraction) - 1, bias = 2 ** (format.exponent - 1) - 1;
      const exponent = whole >> format.fraction & (1 << format.exponent) - 1;
      if (exponent === (1 << format.exponent) - 1) return fraction ? NaN : sign * Infinity;
      if (exponent === 0) return sign * fraction * 2 ** (1 - bias - format.fraction);
      return sign * (1 + fraction / 2 ** format.fraction) * 2 ** (exponent - bias);
    }

    const said = (x) => Number.isNaN(x) ? "not a number" : Math.abs(x) === Infinity ? (x < 0 ? "−∞" : "∞")
      : String(Number(x.toPrecision(7))).replace("-", "−").replace(/e\+?(.+)/, " · 10^$1").replace("^-", "^−");

    stage.choice("format", FORMATS.map(({ name }) => name), (chosen) => {
      const before = value(bits);
      format = FORMATS[chosen];
      // The same number where the format has it; else the nearest below in size.
      let best = 0;
      for (let whole = 0; whole < 1 << 15; whole++) if (value(whole) <= Math.abs(before)) best = whole; else break;
      bits = best | (before < 0 ? 1 << 15 : 0);
    });
    const buttons = Array.from({ length: 16 }, (_, place) => {
      const made = stage.button("0", () => { bits ^= 1 << 15 - place; });
      stage.followers.push(() => {
        const bit = bits >> 15 - place & 1;
        const part = place === 0 ? "sign" : place <= format.exponent ? "exponent" : "fraction";
        made.textContent = bit;
        made.setAttribute("aria-pressed", bit === 1);
        made.setAttribute("aria-label", `bit ${place + 1}, ${part}`);
      });
      return made;
    });
    const step = (by) => { const size = (bits & 0x7FFF) + by; if (size >= 0 && size <= 0x7FFF) bits = bits & 0x8000 | size; };
    stage.button("Nearer to 0", () => step(-1));
    stage.button("Further from 0", () => step(1));

    return (canvas) => {
      const x = value(bits), exponent = bits >> format.fraction & (1 << format.exponent) - 1, bias = 2 ** (format.exponent - 1) - 1;
      const fraction = bits & (1 << format.fraction) - 1;
      const parts = [["sign", 0, 1, VERMILION], ["exponent", 1, format.exponent, ORANGE], ["fraction", 1 + format.exponent, format.fraction, SKY]];
      for (const [name, from, many, colour] of parts) {
        svg(canvas, "text", { x: LEFT + PITCH * (from + many / 2), y: TOP - 10, "text-anchor": "middle", fill: SOFT }, name);
        for (let place = from; place < from + many; place++) {
          svg(canvas, "rect", { x: LEFT + PITCH * place, y: TOP, width: PITCH - 3, height: 34, fill: colour, "fill-opacity": bits >> 15 - place & 1 ? 0.75 : 0.2, stroke: LINE });
          svg(canvas, "text", { x: LEFT + PITCH * place + PITCH / 2 - 1.5, y: TOP + 23, "text-anchor": "middle", "font-size": 16 }, bits >> 15 - place & 1);
        }
      }
      const all = (1 << format.exponent) - 1, sign = bits >> 15 ? "−" : "";
      const formula = exponent === all ? (fraction ? "all exponent bits 1, fraction not 0" : "all exponent bits 1, fraction 0")
        : exponent === 0 ? `${sign}2^(1 − ${bias}) · ${fraction}/${2 ** format.fraction}`
          : `${sign}2^(${exponent} − ${bias}) · (1 + ${fraction}/${2 ** format.fraction})`;
      svg(canvas, "text", { x: LEFT, y: TOP + 64, "font-size": 15 }, `${formula} = ${said(x)}`);
      const size = bits & 0x7FFF, Y = 172;
      svg(canvas, "text", { x: LEFT, y: Y - 30, fill: SOFT }, `the nearest numbers of ${format.name}`);
      svg(canvas, "line", { x1: LEFT, x2: LEFT + 552, y1: Y, y2: Y, stroke: INK });
      for (let by = -2; by <= 2; by++) {
        const neighbour = size + by;
        if (neighbour < 0 || neighbour > all << format.fraction) continue;
        const way = bits >> 15 ? -by : by, at = LEFT + 276 + way * 125;
        svg(canvas, "circle", { cx: at, cy: Y, r: by ? 4 : 7, fill: by ? BLUE : VERMILION });
        svg(canvas, "text", { x: at, y: Y + 26, "text-anchor": "middle", "font-size": 12, "font-weight": by ? 400 : 600 }, said(value(neighbour | bits & 0x8000)));
      }
      const gap = Math.abs(value(size + 1) - value(size));
      return `${format.name}: ${said(x)}.` + (Number.isFinite(gap) ? ` The step to the next number is ${said(gap)}.` : "");
    };
  },
};
