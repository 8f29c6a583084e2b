// How things are said on the screen. Text only; nothing here touches the network.

import { drawing, shape } from "./shapes.js";

export const PRIORITIES = ["high", "medium", "low"];

export const STATE_WORDS = {
  watching: "Watching",
  idle: "Idle: no new frames",
  late: "Analysis late",
  stopped: "Not watching: analysis stopped",
  unfit: "Frames cannot be judged",
};

export const SIGNAL_WORDS = {
  on: "Not acknowledged",
  acknowledged: "Acknowledged",
  paused: "Paused",
  latched: "Ended, not reset",
  off: "Over",
};

const PATHS = {
  high: "M16 3 30 28H2Z M14.6 12h2.8l-.5 8h-1.8z M14.5 22.2h3v2.9h-3z",
  medium: "M16 2 30 16 16 30 2 16Z M14.6 9h2.8l-.5 9h-1.8z M14.5 20.2h3v2.9h-3z",
  low: "M16 3a13 13 0 1 0 .01 0Z M14.5 8.5h3v3h-3z M14.6 14h2.8v9.5h-2.8z",
};

/** The shape of a priority: triangle, diamond or circle, so that colour never stands alone. */
export function icon(priority) {
  const svg = drawing("icon", 32, 32);
  svg.append(shape("path", { d: PATHS[priority] ?? PATHS.low, "fill-rule": "evenodd" }));
  return svg;
}

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

/** Write only what changed: a screen that rewrites itself flickers, and a reader loses a selection. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const plain = (word) => String(word ?? "").replaceAll("_", " ");

export const viewWords = (view) => (view === "ap" ? "AP" : sentence(view));

export function sentence(word) {
  const text = plain(word);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const number = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "\u2212"));

/** How many of what: one frame, two frames. */
export const counted = (n, one, several = `${one}s`) => `${n} ${n === 1 ? one : several}`;

/** A patient's name as people write it, of the parts as DICOM does: family^given^middle. */
export function nameOf(patient) {
  const [family, ...rest] = (patient.name ?? "").split("^");
  return [family, rest.filter(Boolean).join(" ")].filter(Boolean).join(", ");
}

/** Rounded down: nothing is ever quite sure. */
export const percent = (share) => `${Math.min(99, Math.floor(100 * share))}\u00a0%`;

export function seconds(interval) {
  if (!interval) return ["–", ""];
  return [String(Math.round(interval.value)), `${Math.floor(interval.low)} to ${Math.ceil(interval.high)} s`];
}

export function age(seconds_) {
  if (seconds_ === null || seconds_ === undefined) return "no frame yet";
  if (seconds_ < 10) return `${seconds_.toFixed(1)} s ago`;
  if (seconds_ < 120) return `${Math.round(seconds_)} s ago`;
  if (seconds_ < 7200) return `${Math.round(seconds_ / 60)} min ago`;
  return `${Math.round(seconds_ / 3600)} h ago`;
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

export function zones(list) {
  return list && list.length ? list.map(plain).join(", ") : "none";
}
