// Charts as SVG, by hand: bars with their spread, and lines. Colours follow the reader's light or
// dark page; every bar and line is labelled, so that none needs its colour to be read.
// Does not know: what the numbers mean.

const WIDTH = 760;
const FONT = 13;
const LEFT = 236;
const RIGHT = 90;
const TOP = 56;

/** Colours in turn; the first is for what the chart is about. */
const STYLE = `<style>
text { font: ${FONT}px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.quiet { fill: #59636e; }
.axis { stroke: #d1d9e0; }
.spread { stroke: #1f2328; stroke-width: 1.5; }
.bar0 { fill: #0969da; } .bar1 { fill: #8c959f; } .bar2 { fill: #bf8700; }
.line { fill: none; stroke-width: 2; }
.s0 { stroke: #0969da; } .s1 { stroke: #bc4c00; } .s2 { stroke: #1a7f37; } .s3 { stroke: #8250df; }
.d0 { fill: #0969da; } .d1 { fill: #bc4c00; } .d2 { fill: #1a7f37; } .d3 { fill: #8250df; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .axis { stroke: #3d444d; }
.spread { stroke: #f0f6fc; }
.bar0 { fill: #4493f8; } .bar1 { fill: #6e7681; } .bar2 { fill: #d29922; }
.s0 { stroke: #4493f8; } .s1 { stroke: #f0883e; } .s2 { stroke: #3fb950; } .s3 { stroke: #ab7df8; }
.d0 { fill: #4493f8; } .d1 { fill: #f0883e; } .d2 { fill: #3fb950; } .d3 { fill: #ab7df8; }
}
</style>`;

const escape = (text) => String(text).replace(/[&<>"]/g, (sign) =>
  ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

/** Enough digits for a label. */
export function short(number) {
  if (number >= 100) return Math.round(number).toLocaleString("en-US");
  return String(Number(number.toPrecision(number >= 1 ? 3 : 2)));
}

function frame(title, note, height, content) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"
 height="${height}" role="img" aria-label="${escape(title)}">
${STYLE}
${label(12, 24, title, "title")}
${label(12, 43, note, "quiet")}
${content.join("\n")}
</svg>
`;
}

function label(x, y, text, kind = "", anchor = "start") {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`
    + `${kind && ` class="${kind}"`}>${escape(text)}</text>`;
}

function line(x1, y1, x2, y2, kind) {
  return `<line class="${kind}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" `
    + `y2="${round(y2)}"/>`;
}

const round = (number) => Math.round(number * 10) / 10;

/** Bars from the left, one a row: `{ name, value, min, max, kind }`; kind is a colour. */
export function barChart({ title, note, rows }) {
  const step = 24;
  const most = Math.max(...rows.map(({ max }) => max));
  const x = (value) => LEFT + (value / most) * (WIDTH - LEFT - RIGHT);
  const content = rows.flatMap(({ name, value, min, max, kind }, i) => {
    const y = TOP + i * step;
    const middle = y + 8;
    return [
      label(LEFT - 8, y + 12, name, "", "end"),
      `<rect class="bar${kind}" x="${LEFT}" y="${y}" width="${round(x(value) - LEFT)}" `
        + 'height="16"/>',
      line(x(min), middle, x(max), middle, "spread"),
      label(x(max) + 6, y + 12, short(value)),
    ];
  });
  return frame(title, note, TOP + rows.length * step + 12, content);
}

/**
 * Lines through points on logarithmic axes: `series` of `{ name, points: [[x, y], ...] }`, each
 * named at its end; `marks` are the numbers along the lower axis.
 */
export function lineChart({ title, note, series, marks, xTitle }) {
  const [left, bottom, top] = [64, 330, TOP + 12];
  const right = WIDTH - 150;
  const all = series.flatMap(({ points }) => points);
  const x = scale(all.map(([value]) => value), left, right);
  const y = scale(all.map(([, value]) => value), bottom, top);
  const content = [
    line(left, bottom, right, bottom, "axis"),
    ...marks.map((mark) => label(x(mark), bottom + 20, short(mark), "quiet", "middle")),
    label((left + right) / 2, bottom + 40, xTitle, "quiet", "middle"),
    ...powersIn(all.map(([, value]) => value)).flatMap((mark) => [
      line(left, y(mark), right, y(mark), "axis"),
      label(left - 8, y(mark) + 4, short(mark), "quiet", "end")]),
    ...series.flatMap(({ name, points }, i) => [
      `<polyline class="line s${i % 4}" points="${points.map(([a, b]) =>
        `${round(x(a))},${round(y(b))}`).join(" ")}"/>`,
      ...points.map(([a, b]) =>
        `<circle class="d${i % 4}" cx="${round(x(a))}" cy="${round(y(b))}" r="3"/>`),
      label(x(points.at(-1)[0]) + 10, y(points.at(-1)[1]) + 4, name)]),
  ];
  return frame(title, note, bottom + 56, content);
}

/** A logarithmic scale over the values. */
function scale(values, from, to) {
  const [least, most] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  const range = most - least || 1;
  return (value) => from + ((Math.log(value) - least) / range) * (to - from);
}

/** 1, 2 and 5 times powers of ten within the values. */
function powersIn(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const marks = [];
  for (let power = 10 ** Math.floor(Math.log10(least)); power <= most; power *= 10) {
    marks.push(...[1, 2, 5].map((digit) => digit * power)
      .filter((mark) => mark >= least && mark <= most));
  }
  return marks;
}
