// Four corners of a vertebral body: what they are called in each view, in which order they go round, and whether they can be true.

import { plain } from "./words.js";

const NAMES = {
  lateral: ["posterior_superior", "anterior_superior", "anterior_inferior", "posterior_inferior"],
  ap: ["left_superior", "right_superior", "right_inferior", "left_inferior"],
};

export const LEVELS = [
  ...Array.from({ length: 12 }, (_, i) => `T${i + 1}`),
  ...Array.from({ length: 5 }, (_, i) => `L${i + 1}`),
  ...Array.from({ length: 5 }, (_, i) => `C${i + 3}`), "S1",
];

export const cornerNames = (view) => NAMES[view];

export const cornerWords = (name, view) => (view === "ap" ? `image ${plain(name)}` : plain(name));

/** Corners of a plan, by name; null where there are none. */
export const cornersOf = (plan, view) => Object.fromEntries(NAMES[view].map((name) => [name, plan?.[name] ?? null]));

/** What is wrong with these corners, in a sentence; empty when nothing is. */
export function troubleWith(corners, view) {
  const names = NAMES[view];
  const missing = names.filter((name) => corners[name] === null);
  if (missing.length) return `Still to be placed: ${missing.map((name) => cornerWords(name, view)).join(", ")}.`;
  const turns = names.map((_, i) => turn(...[0, 1, 2].map((step) => corners[names[(i + step) % 4]])));
  if (turns.every((each) => each > 0) || turns.every((each) => each < 0)) return "";
  return "The lines between the corners cross, or one side is bent inward. Corners must go once round the body: check that none are swapped.";
}

/** Twice the signed area of a triangle: its sign is the way that the corner turns. */
function turn(first, second, third) {
  return (second[0] - first[0]) * (third[1] - second[1]) - (second[1] - first[1]) * (third[0] - second[0]);
}

/** Where a corner may begin that is placed without a pointer: a body's size about the middle of the picture. */
export function beginningOf(name, [height, width]) {
  const row = height * (name.endsWith("superior") ? 0.42 : 0.58);
  const isLeft = name.startsWith("left") || name.startsWith("anterior");
  return [row, width * (isLeft ? 0.4 : 0.6)];
}
