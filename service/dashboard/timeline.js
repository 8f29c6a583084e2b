// A procedure from left to right: distance to the wall, which view, alerts, and what people did. A press goes to that moment.

import { drawing, label, path, shape } from "./shapes.js";
import { counted, number } from "./words.js";

const WIDE = 1000;
const LEFT = 92;
const TRACE = [10, 96]; // rows of the distance
const VIEWS = 106;
const ALERTS = 128;
const LANE = 15;
const MOST_LANES = 5;
const VIEW_WORDS = { lateral: "lat", ap: "AP", oblique: "obl", unknown: "?" };
const GAP_MS = 3000;
const MARKS = { high: "M0 -7 7 6H-7Z", medium: "M0 -7 7 0 0 7-7 0Z", low: "M-5 -5h10v10h-10Z" };

export class Timeline {
  /** `chosen` is called with the time that was pressed. */
  constructor(chosen) {
    this.node = drawing("timeline", WIDE, 200);
    this.from = this.until = 0;
    this.cursor = shape("line", { class: "time-cursor", y1: 0 });
    const press = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.node.getScreenCTM().inverse());
      chosen(this.from + ((at.x - LEFT) / (WIDE - LEFT)) * (this.until - this.from));
    };
    this.node.addEventListener("pointerdown", (event) => {
      this.node.setPointerCapture(event.pointerId);
      this.isHeld = true;
      press(event);
    });
    this.node.addEventListener("pointermove", (event) => this.isHeld && press(event));
    this.node.addEventListener("pointerup", () => (this.isHeld = false));
  }

  x(at) {
    const share = (at - this.from) / Math.max(1, this.until - this.from);
    return LEFT + Math.min(1, Math.max(0, share)) * (WIDE - LEFT);
  }

  show(frames, events, spans) {
    const times = [...frames.map((frame) => frame.at), ...events.filter((event) => event.isByHand).map((event) => event.at)];
    [this.from, this.until] = [Math.min(...times), Math.max(...times)];
    const lanes = laned(spans);
    const nLanes = Math.min(MOST_LANES, Math.max(1, ...lanes.map((each) => each.lane + 1)));
    const acts = ALERTS + nLanes * LANE + 14;
    this.high = acts + 22;
    this.node.setAttribute("viewBox", `0 0 ${WIDE} ${this.high}`);
    this.cursor.setAttribute("y2", this.high);
    const titles = [["To wall", 38], ["View", VIEWS + 11], ["Alerts", ALERTS + 13], ["Log", acts + 5]].map(([words, y]) =>
      shape("text", { class: "time-title", x: 0, y }, words),
    );
    this.node.replaceChildren(
      ...titles, ...this.distance(frames), ...this.views(frames), ...lanes.flatMap((span) => this.alert(span)),
      ...events.filter((event) => event.isByHand).map((event) => this.act(event, acts)), this.cursor,
    );
    label(this.node, `Timeline: ${counted(frames.length, "frame")}, ${counted(spans.length, "alert")} about cement, ${counted(events.filter((event) => event.isByHand).length, "entry", "entries")} by hand`);
  }

  distance(frames) {
    const known = frames.filter((frame) => frame.distance_to_wall_mm !== null);
    if (!known.length) return [shape("text", { class: "time-words", x: LEFT, y: 50 }, "no distance measured")];
    const low = Math.min(0, ...known.map((frame) => frame.distance_to_wall_mm));
    const high = Math.max(5, ...known.map((frame) => frame.distance_to_wall_mm));
    const y = (value) => TRACE[1] - ((value - low) / (high - low)) * (TRACE[1] - TRACE[0]);
    const runs = [];
    for (const frame of known) {
      const last = runs.at(-1)?.at(-1);
      if (!last || frame.at - last.at > GAP_MS) runs.push([]);
      if (!runs.at(-1).length || this.x(frame.at) - this.x(runs.at(-1).at(-1).at) > 0.7) runs.at(-1).push(frame);
    }
    return [
      shape("line", { class: "trace-wall", x1: LEFT, x2: WIDE, y1: y(0), y2: y(0) }),
      shape("text", { class: "time-words", x: LEFT - 6, y: y(0) + 4, "text-anchor": "end" }, "wall"),
      shape("text", { class: "time-words", x: LEFT - 6, y: TRACE[0] + 6, "text-anchor": "end" }, `${number(high, 0)} mm`),
      ...runs.map((run) => shape("path", { class: "trace-line", d: path(run.map((frame) => [this.x(frame.at), y(frame.distance_to_wall_mm)])) })),
    ];
  }

  /** Stretches of one view; beam off is empty, and a stretch with frames that could not be judged is pale. */
  views(frames) {
    const stretches = [];
    for (const frame of frames) {
      const last = stretches.at(-1);
      const isFit = frame.trust !== null;
      if (last && last.view === frame.view && last.isFit === isFit && frame.at - last.until < GAP_MS) last.until = frame.at;
      else stretches.push({ view: frame.view, isFit, from: frame.at, until: frame.at });
    }
    return stretches.flatMap(({ view, isFit, from, until }) => {
      const [x, width] = [this.x(from), Math.max(1.5, this.x(until) - this.x(from))];
      const made = [shape("rect", { class: `time-view ${view}`, "data-fit": isFit, x, width, y: VIEWS, height: 14 })];
      if (width > 34) made.push(shape("text", { class: "time-view-words", x: x + 5, y: VIEWS + 11.5 }, VIEW_WORDS[view] ?? "?"));
      return made;
    });
  }

  alert({ from, until, priority, lane, message }) {
    if (lane >= MOST_LANES) return [];
    const [x, y] = [this.x(from), ALERTS + lane * LANE + 8];
    const line = shape("line", { class: `time-alert ${priority}`, x1: x, x2: Math.max(x + 2, this.x(until)), y1: y, y2: y });
    const mark = shape("path", { class: `time-mark ${priority}`, d: MARKS[priority], transform: `translate(${x} ${y})` });
    mark.append(shape("title", {}, `${priority}: ${message}`));
    return [line, mark];
  }

  act(event, y) {
    const mark = shape("path", { class: "time-act", d: "M0 -9V6M-4 6h8", transform: `translate(${this.x(event.at)} ${y})` });
    mark.append(shape("title", {}, `${event.time} ${event.words}`));
    return mark;
  }

  point(at) {
    const x = this.x(at);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }
}

/** Each alert on the first line that is free. */
function laned(spans) {
  const ends = [];
  return [...spans].sort((left, right) => left.from - right.from).map((span) => {
    let lane = ends.findIndex((end) => end < span.from);
    if (lane < 0) lane = ends.length;
    ends[lane] = span.until;
    return { ...span, lane };
  });
}
