// Charts of many records: shares as bars with their counts, a course with n at each time, survival as steps.

import { drawing, path, shape } from "./shapes.js";
import { codeWords } from "./sheets.js";
import { counted, number } from "./words.js";

const WIDE = 720;
const TONES = 5; // of groups, told apart by mark and place too
const MARKS = ["M-5 -5h10v10h-10Z", "M0 -7 7 6H-7Z", "M0 -7 7 0 0 7-7 0Z", "M-6 -2h4v-4h4v4h4v4h-4v4h-4v-4h-4Z", "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0Z"];

const text = (x, y, words, className = "graph-words", anchor = "start") => shape("text", { class: className, x, y, "text-anchor": anchor }, words);
const tone = (place) => `tone-${place % TONES}`;

/** The group's name where there are several. */
const named = (groups, group) => (groups.length > 1 ? `${codeWords(group)} ` : "");

/** A share in words: counts first, then percentage and its exact interval. */
export function shareWords(share) {
  const { numerator, denominator, percent, exact } = share;
  if (percent === null || !exact) return `${numerator}/${denominator}`;
  return `${numerator}/${denominator} · ${number(percent, 1)} % (${number(exact.low, 1)}–${number(exact.high, 1)})`;
}

/** Bars: `rows` of [label, {group: share}]; a bar's whole width is 100 percent. */
export function bars(title, rows, groups) {
  const [left, right, high] = [190, 215, 22];
  const blocks = rows.map(([label, shares]) => ({ label, shares: groups.filter((group) => shares[group]).map((group) => [group, shares[group]]) }));
  const tall = blocks.reduce((sum, block) => sum + Math.max(1, block.shares.length) * high + 8, 0) + 6;
  const svg = drawing("graph", WIDE, tall, `${title}: ${blocks.map(({ label, shares }) => `${label} ${shares.map(([group, share]) => `${named(groups, group)}${share.numerator} of ${share.denominator}`).join(", ")}`).join("; ")}`);
  const x = (percent) => left + (percent / 100) * (WIDE - left - right);
  let y = 4;
  for (const { label, shares } of blocks) {
    svg.append(text(left - 10, y + 16, label, "graph-words", "end"));
    for (const [group, share] of shares) {
      svg.append(shape("rect", { class: "graph-ground", x: left, y: y + 3, width: x(100) - left, height: high - 6 }));
      svg.append(shape("rect", { class: `graph-bar ${tone(groups.indexOf(group))}`, x: left, y: y + 3, width: Math.max(0, x(share.percent ?? 0) - left), height: high - 6 }));
      if (share.exact) svg.append(shape("path", { class: "graph-span", d: `M${x(share.exact.low)} ${y + high / 2}H${x(share.exact.high)}` }));
      svg.append(text(x(100) + 8, y + 16, shareWords(share)));
      y += high;
    }
    y += Math.max(0, 1 - shares.length) * high + 8;
  }
  return svg;
}

/** Means with standard deviations over time points, n of every group beneath; a time without values is a gap. */
export function course(title, points, groups, [low, high]) {
  const [left, right, top, base] = [150, 24, 14, 236];
  const tall = base + 30 + groups.length * 18;
  const svg = drawing("graph", WIDE, tall, `${title}: ${points.map((point) => `${codeWords(point.time_point)} ${groups.map((group) => `${named(groups, group)}${meanWords(point.groups[group])}`).join(", ")}`).join("; ")}`);
  const x = (place) => left + ((place + 0.5) / points.length) * (WIDE - left - right);
  const y = (value) => base - ((value - low) / (high - low)) * (base - top);
  for (let tick = 0; tick <= 4; tick += 1) {
    const value = low + (tick / 4) * (high - low);
    svg.append(shape("path", { class: "graph-line", d: `M${left} ${y(value)}H${WIDE - right}` }), text(left - 10, y(value) + 5, number(value, Number.isInteger(value) ? 0 : 1), "graph-words", "end"));
  }
  points.forEach((point, place) => svg.append(text(x(place), base + 20, codeWords(point.time_point), "graph-words", "middle")));
  groups.forEach((group, place) => {
    const aside = (place - (groups.length - 1) / 2) * 10;
    const known = points.map((point, at) => ({ at: x(at) + aside, told: point.groups[group] })).filter(({ told }) => told && told.mean !== null && told.mean !== undefined);
    svg.append(shape("path", { class: `graph-trace ${tone(place)}`, d: path(known.map(({ at, told }) => [at, y(told.mean)])) }));
    for (const { at, told } of known) {
      const spread = told.sd ?? 0;
      svg.append(shape("path", { class: "graph-span", d: `M${at} ${y(Math.max(low, told.mean - spread))}V${y(Math.min(high, told.mean + spread))}` }));
      svg.append(shape("path", { class: `graph-mark ${tone(place)}`, d: MARKS[place % MARKS.length], transform: `translate(${at} ${y(told.mean)})` }));
    }
    const line = base + 40 + place * 18;
    svg.append(text(left - 10, line, `n${groups.length > 1 ? ` ${codeWords(group)}` : ""}`, "graph-words", "end"));
    points.forEach((point, at) => svg.append(text(x(at), line, String(point.groups[group]?.n ?? 0), "graph-words", "middle")));
  });
  return svg;
}

export const meanWords = (told) => (told?.n ? `${number(told.mean, 1)} ± ${number(told.sd, 1)} (n ${told.n})` : "no value");

/** Kaplan-Meier steps of every group, from one at the beginning. */
export function survival(title, curves) {
  const [left, right, top, base] = [60, 24, 14, 236];
  const told = Object.entries(curves);
  const last = Math.max(12, ...told.flatMap(([, curve]) => curve.steps.map((step) => step.months)));
  const svg = drawing("graph", WIDE, base + 44, `${title}: ${told.map(([group, curve]) => `${codeWords(group)} ${counted(curve.n_deaths, "death")} of ${curve.n}, median ${curve.median_months === null ? "not reached" : `${number(curve.median_months, 1)} months`}`).join("; ")}`);
  const x = (months) => left + (months / last) * (WIDE - left - right);
  const y = (share) => base - share * (base - top);
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(shape("path", { class: "graph-line", d: `M${left} ${y(share)}H${WIDE - right}` }), text(left - 8, y(share) + 5, `${100 * share} %`, "graph-words", "end"));
  }
  const apart = [1, 3, 6, 12, 24, 60].find((months) => last / months <= 8) ?? 120;
  for (let months = 0; months <= last; months += apart) svg.append(text(x(months), base + 20, String(months), "graph-words", "middle"));
  svg.append(text(WIDE - right, base + 38, "months since the first operation", "graph-words", "end"));
  told.forEach(([, curve], place) => {
    const drawn = curve.steps.reduce((made, step) => `${made}H${x(step.months)}V${y(step.survival)}`, `M${x(0)} ${y(1)}`);
    svg.append(shape("path", { class: `graph-trace ${tone(place)}`, d: drawn }));
  });
  return svg;
}

/** Which mark and colour is which group; nothing where there is only one. */
export function legend(groups) {
  return groups.map((group, place) => {
    const svg = drawing("graph-key", 16, 16);
    svg.append(shape("path", { class: `graph-mark ${tone(place)}`, d: MARKS[place % MARKS.length], transform: "translate(8 8)" }));
    return [svg, codeWords(group)];
  });
}
