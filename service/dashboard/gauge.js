// How far the cement's front is from the posterior wall, as a share of the body's depth: readable from across the room.

import { drawing, label, shape } from "./shapes.js";
import { number } from "./words.js";

const WIDE = 400;
const HIGH = 92;
const FROM = 0.62; // shares of the body's depth at both ends of the gauge
const UNTIL = -0.16;
const TOP = 26;
const THICK = 34;

/** Which part of the gauge a share lies in; also said in words, so that colour never stands alone. */
export function stepOf(share, tiers) {
  if (share === null || share === undefined || !tiers) return "unknown";
  if (share < 0) return "beyond";
  if (share <= tiers.contact) return "contact";
  if (share <= tiers.near) return "near";
  return share <= tiers.far ? "far" : "clear";
}

export const STEP_WORDS = {
  unknown: "",
  clear: "inside",
  far: "nearing the wall",
  near: "close to the wall",
  contact: "at the wall",
  beyond: "beyond the wall",
};

export class Gauge {
  constructor() {
    this.node = drawing("gauge", WIDE, HIGH);
    this.key = "";
  }

  /** `tiers` are shares of depth; `isRight` says on which side of the picture the wall lies, and so on the gauge. */
  show(share, tiers, isRight) {
    const shares = [share, tiers?.far, tiers?.near, tiers?.contact].map((each) => each?.toFixed?.(3));
    const key = [...shares, isRight].join();
    if (key === this.key) return;
    this.key = key;
    const across = (at) => (isRight ? FROM - at : at - UNTIL) * (WIDE / (FROM - UNTIL));
    this.node.replaceChildren(...this.ground(across, tiers, isRight));
    const step = stepOf(share, tiers);
    this.node.dataset.step = step;
    if (step === "unknown") {
      label(this.node, "Distance to the posterior wall: not known");
      return;
    }
    this.node.append(...marker(across(Math.max(UNTIL, Math.min(FROM, share)))));
    label(this.node, `Distance to the posterior wall: ${number(100 * share, 0)} % of the body's depth, ${STEP_WORDS[step]}`);
  }

  ground(across, tiers, isRight) {
    if (!tiers) return [band(across, FROM, UNTIL, "clear")];
    const edges = [FROM, tiers.far, tiers.near, tiers.contact, 0, UNTIL];
    const bands = ["clear", "far", "near", "contact", "beyond"].map((step, i) => band(across, edges[i], edges[i + 1], step));
    const wall = shape("line", { class: "gauge-wall", x1: across(0), x2: across(0), y1: TOP - 10, y2: TOP + THICK + 8 });
    const words = [["1/3", tiers.far], ["1/4", tiers.near]].map(([, at]) =>
      shape("text", { class: "gauge-words", x: across(at), y: HIGH - 8, "text-anchor": "middle" }, part(at)),
    );
    words.push(shape("text", { class: "gauge-words", x: across(0), y: HIGH - 8, "text-anchor": "middle" }, "wall"));
    return [...bands, wall, ...words];
  }
}

function band(across, from, until, step) {
  const [left, right] = [across(from), across(until)].sort((a, b) => a - b);
  return shape("rect", { class: `gauge-band ${step}`, x: left, y: TOP, width: right - left, height: THICK });
}

function marker(x) {
  return [
    shape("line", { class: "gauge-front", x1: x, x2: x, y1: TOP - 4, y2: TOP + THICK + 4 }),
    shape("path", { class: "gauge-tip", d: `M${x - 13} 0h26L${x} ${TOP - 4}Z` }),
  ];
}

function part(share) {
  for (const below of [2, 3, 4, 5]) if (Math.abs(share * below - 1) < 0.02) return `1/${below}`;
  return `${Math.round(share * 100)} %`;
}
