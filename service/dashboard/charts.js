// Small charts of what was measured during the last minutes; a frame that could not be judged leaves a gap.

import { drawing, label, path, shape } from "./shapes.js";
import { element, number, say } from "./words.js";

const WIDE = 300;
const HIGH = 70;
const LEFT = 34;
const BASE = HIGH - 4;
const TOP = 6;
const LONGEST_MS = 180_000;
const SHORTEST_MS = 30_000;
const GAP_MS = 3000;

export const SERIES = [
  { key: "distance", title: "To wall", unit: "mm", digits: 1, least: 5 },
  { key: "speed", title: "Speed", unit: "mm/s", digits: 1, least: 1 },
  { key: "area", title: "Area", unit: "mm²", digits: 0, least: 50 },
  { key: "volume", title: "Volume", unit: "ml", digits: 1, least: 1 },
];

/** What one frame measured, from the measurements route or the live stream. */
export function sampleOf(item) {
  return {
    at: Date.parse(item.frame?.received_at ?? item.frame?.judged_at),
    distance: item.distance_to_wall_mm ?? null,
    speed: item.speed_mm_s ?? null,
    area: item.cement_area_mm2 ?? null,
    volume: item.cement_volume_ml ? Math.sqrt(item.cement_volume_ml.low * item.cement_volume_ml.high) : null,
    low: item.cement_volume_ml?.low ?? null,
    high: item.cement_volume_ml?.high ?? null,
  };
}

export class Charts {
  constructor() {
    this.samples = [];
    this.isStale = true;
    this.node = element("div", "charts");
    this.boxes = SERIES.map((series) => {
      const box = element("figure", "chart");
      const caption = element("figcaption");
      const svg = drawing("trace", WIDE, HIGH);
      const now = element("span", "now", "–");
      caption.append(element("span", "", series.title), now);
      box.append(caption, svg);
      this.node.append(box);
      return { series, svg, now };
    });
    this.span = element("p", "span");
    this.node.append(this.span);
  }

  clear() {
    this.samples = [];
    this.isStale = true;
  }

  /** Samples in any order; what is older than the window goes. */
  add(...samples) {
    this.samples.push(...samples.filter((sample) => !Number.isNaN(sample.at)));
    this.samples.sort((left, right) => left.at - right.at);
    const oldest = (this.samples.at(-1)?.at ?? 0) - LONGEST_MS;
    this.samples.splice(0, this.samples.findIndex((sample) => sample.at >= oldest));
    this.isStale = true;
  }

  /** Drawn when something changed and somebody can see it. */
  tick() {
    if (!this.isStale || this.node.offsetParent === null) return;
    this.isStale = false;
    const window = Math.max(SHORTEST_MS, (this.samples.at(-1)?.at ?? 0) - (this.samples[0]?.at ?? 0));
    say(this.span, `Last ${window < 90_000 ? `${Math.round(window / 1000)} s` : `${Math.round(window / 60_000)} min`} of frames`);
    for (const { series, svg, now } of this.boxes) {
      const last = this.samples.at(-1)?.[series.key] ?? null;
      say(now, last === null ? "–" : `${number(last, series.digits)} ${series.unit}`);
      draw(svg, this.samples, series, window);
    }
  }
}

function draw(svg, samples, series, window) {
  const values = samples.flatMap((sample) => [sample[series.key], ...(series.key === "volume" ? [sample.low, sample.high] : [])]);
  const known = values.filter((value) => value !== null);
  const low = Math.min(0, ...known);
  const high = Math.max(series.least, ...known) * 1.05;
  const until = samples.at(-1)?.at ?? 0;
  const x = (at) => WIDE - ((until - at) / window) * (WIDE - LEFT);
  const y = (value) => BASE - ((value - low) / (high - low)) * (BASE - TOP);
  const zero = shape("line", { class: series.key === "distance" ? "trace-wall" : "trace-zero", x1: LEFT, x2: WIDE, y1: y(0), y2: y(0) });
  const words = [
    shape("text", { class: "trace-words", x: LEFT - 4, y: TOP + 8, "text-anchor": "end" }, number(high, high < 10 ? 1 : 0)),
    shape("text", { class: "trace-words", x: LEFT - 4, y: y(0), "text-anchor": "end" }, series.key === "distance" ? "wall" : "0"),
  ];
  const traces = runs(samples, series.key, window).map((run) =>
    shape("path", { class: "trace-line", d: path(run.map((sample) => [x(sample.at), y(sample[series.key])])) }),
  );
  svg.replaceChildren(zero, ...bands(samples, series, window, x, y), ...traces, ...words);
  const last = samples.at(-1)?.[series.key] ?? null;
  const range = known.length ? `between ${number(Math.min(...known), series.digits)} and ${number(Math.max(...known), series.digits)} ${series.unit}` : "nothing measured";
  label(svg, `${series.title}: ${range}${last === null ? "" : `, now ${number(last, series.digits)}`}`);
}

function bands(samples, series, window, x, y) {
  if (series.key !== "volume") return [];
  return runs(samples, "low", window).map((run) => {
    const upper = run.map((sample) => [x(sample.at), y(sample.high)]);
    const lower = run.map((sample) => [x(sample.at), y(sample.low)]).reverse();
    return shape("path", { class: "trace-band", d: `${path([...upper, ...lower])}Z` });
  });
}

/** Stretches without a gap, thinned to what the drawing can show. */
function runs(samples, key, window) {
  const made = [];
  let run = null;
  let drawnAt = -Infinity;
  samples.forEach((sample, i) => {
    if (sample[key] === null) {
      run = null;
      return;
    }
    if (run === null || sample.at - run.at(-1).at > GAP_MS) made.push((run = []));
    const isLast = i === samples.length - 1 || samples[i + 1][key] === null;
    if (run.length && !isLast && sample.at - drawnAt < window / (WIDE * 1.5)) return;
    run.push(sample);
    drawnAt = sample.at;
  });
  return made;
}
