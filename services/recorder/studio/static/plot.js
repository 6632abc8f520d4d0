/** Curves as SVG, with words for those who do not see them and the figures in a table below. */

import { el } from "./shell.js";
import { svg, table } from "./parts.js";

const WIDTH = 340;
const HEIGHT = 180;
const EDGE = { left: 46, right: 12, top: 12, bottom: 30 };
const MOST_POINTS = 1024;
const ROWS = 12;
let plots = 0;

/** Points [x, y] in bounded memory: above a bound every second one goes. What comes again, as of a training that was
 *  resumed, takes the place of what was there. */
export class Curve {
  points = [];
  #every = 1;
  #seen = 0;

  add(x, y) {
    if (!Number.isFinite(y) || this.#seen++ % this.#every) return;
    while (this.points.at(-1)?.[0] >= x) this.points.pop();
    this.points.push([x, y]);
    if (this.points.length > MOST_POINTS) {
      this.points = this.points.filter((_, at) => at % 2 === 0);
      this.#every *= 2;
    }
  }
}

/** Round numbers from 0 or below the least to above the greatest, about four of them. */
export function ticks(low, high, wanted = 4) {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999);
  const from = Math.floor(low / step) * step;
  const count = Math.ceil((low + span - from) / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number((from + at * step).toPrecision(12)));
}

/** A figure with one or several lines: `lines` are {name, points}; `told(y)` writes a value, `mark(y)` one on the scale,
 *  `along` names x. */
export function plot({ title, lines, along, told, mark = told }) {
  const all = lines.flatMap((line) => line.points);
  const figure = el("figure", { class: "plot" }, el("figcaption", {}, title));
  if (all.length < 2) {
    figure.append(el("p", { class: "soft" }, "No figures yet."));
    return figure;
  }
  figure.append(picture(title, lines, along, told, mark));
  if (lines.length > 1) figure.append(legend(lines));
  const values = el(
    "details",
    { "data-key": `values-${title}` },
    el("summary", {}, "As a table"),
    ...lines.map((each) => figures(each, along, told)),
  );
  figure.append(values);
  return figure;
}

function picture(title, lines, along, told, mark) {
  const xs = lines.flatMap((line) => line.points.map(([x]) => x));
  const ys = lines.flatMap((line) => line.points.map(([, y]) => y));
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const marks = ticks(Math.min(0, ...ys), Math.max(...ys));
  const [low, high] = [marks[0], marks.at(-1)];
  const x = (value) => EDGE.left + ((value - left) / (right - left || 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - low) / (high - low || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const id = `plot-${++plots}`;
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-labelledby": `${id}-t ${id}-d` });
  drawn.append(
    svg("title", { id: `${id}-t` }, title),
    svg("desc", { id: `${id}-d` }, lines.map((each) => summary(each, told)).join(" ")),
  );
  for (const at of marks) {
    drawn.append(svg("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(at), y2: y(at) }));
    drawn.append(svg("text", { x: EDGE.left - 6, y: y(at) + 4, "text-anchor": "end" }, mark(at)));
  }
  drawn.append(svg("text", { x: EDGE.left, y: HEIGHT - 8 }, `${along} ${left}`));
  drawn.append(svg("text", { x: WIDTH - EDGE.right, y: HEIGHT - 8, "text-anchor": "end" }, `${right}`));
  lines.forEach((line, at) => {
    const points = line.points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(" ");
    const [lastX, lastY] = line.points.at(-1) ?? [];
    drawn.append(svg("polyline", { class: `line line-${at}`, points }));
    if (lastX != null) drawn.append(svg("circle", { class: `dot line-${at}`, cx: x(lastX), cy: y(lastY), r: 3.5 }));
  });
  return drawn;
}

const legend = (lines) =>
  el("p", { class: "legend" }, ...lines.map((line, at) => el("span", { class: `key line-${at}` }, line.name)));

/** val WER: from 100 % to 7.2 %, at best 7.1 %. */
function summary({ name, points }, told) {
  if (!points.length) return `${name}: no figures yet.`;
  const values = points.map(([, y]) => y);
  return `${name}: from ${told(values[0])} to ${told(values.at(-1))}, at best ${told(Math.min(...values))}.`;
}

function figures({ name, points }, along, told) {
  const every = Math.ceil(points.length / ROWS);
  const shown = points.filter((_, at) => (points.length - 1 - at) % every === 0);
  return table(
    name,
    [along, name],
    shown.map(([x, y]) => [x, told(y)]),
  );
}

/** Intervals side by side: `rows` are {name, low, at, high} on one scale. */
export function intervals({ title, rows, told, mark = told }) {
  const marks = ticks(Math.min(0, ...rows.map((row) => row.low)), Math.max(...rows.map((row) => row.high)));
  const height = 32 + 40 * rows.length;
  const x = (value) => 22 + ((value - marks[0]) / (marks.at(-1) - marks[0])) * (WIDTH - 44);
  const words = (row) => `${row.name}: ${told(row.at)}, 95 % interval ${told(row.low)} to ${told(row.high)}.`;
  const id = `plot-${++plots}`;
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-labelledby": `${id}-t ${id}-d` });
  drawn.append(svg("title", { id: `${id}-t` }, title), svg("desc", { id: `${id}-d` }, rows.map(words).join(" ")));
  for (const at of marks) {
    drawn.append(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: 4, y2: height - 20 }));
    drawn.append(svg("text", { x: x(at), y: height - 5, "text-anchor": "middle" }, mark(at)));
  }
  rows.forEach((row, at) => {
    const y = 30 + 40 * at;
    const late = row.at > (marks[0] + marks.at(-1)) / 2;
    const place = { x: x(late ? row.high : row.low), "text-anchor": late ? "end" : "start" };
    drawn.append(svg("text", { class: "name", y: y - 10, ...place }, `${row.name}  ${told(row.at)}`));
    drawn.append(svg("line", { class: `line line-${at}`, x1: x(row.low), x2: x(row.high), y1: y, y2: y }));
    drawn.append(svg("circle", { class: `dot line-${at}`, cx: x(row.at), cy: y, r: 5 }));
  });
  return el("figure", { class: "plot" }, el("figcaption", {}, title), drawn);
}
