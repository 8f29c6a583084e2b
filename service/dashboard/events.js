// What happened in a procedure, in plain words.

import { clock, plain, sentence } from "./words.js";

/** Types of entries that a review tells; what was merely asked for is told by what became of it. */
export const TOLD = [
  "procedure_opened", "procedure_closed", "plan_set", "frames_skipped", "frame_failed", "alert_raised", "alert_worsened",
  "alert_ended", "acknowledged", "paused", "pause_ended", "reset", "act_refused", "injection_started",
  "injection_stopped", "aliquot", "resistance", "cement_mixed", "needle_placed", "stylet", "note",
];

const BY_HAND = new Set([
  "plan_set", "acknowledged", "paused", "reset", "injection_started", "injection_stopped", "aliquot", "resistance",
  "cement_mixed", "needle_placed", "stylet", "note",
]);

const ALERT_WORDS = {
  alert_raised: "",
  alert_worsened: "Worse: ",
  alert_ended: "Ended: ",
  acknowledged: "Acknowledged: ",
  paused: "Paused: ",
  pause_ended: "Pause over: ",
  reset: "Reset: ",
  act_refused: "Refused: ",
};

export const isByHand = (entry) => BY_HAND.has(entry.type);

/** When it was so on the picture: what was judged late stands where its frame stands. */
const momentOf = (entry) => Date.parse((isByHand(entry) ? null : entry.frame?.received_at) ?? entry.at);

/** One event as {at, words, who, priority, frame}; priority is null where no alert is raised or worsened. */
export function eventOf(entry) {
  const alert = entry.data.alert ?? null;
  const isLoud = entry.type === "alert_raised" || entry.type === "alert_worsened";
  return {
    at: momentOf(entry),
    time: clock(entry.at),
    words: alert ? `${ALERT_WORDS[entry.type] ?? ""}${alert.message}` : wordsOf(entry),
    who: entry.actor ?? "",
    priority: isLoud ? (alert?.priority ?? "low") : null,
    frame: entry.frame,
    isByHand: isByHand(entry),
  };
}

function wordsOf(entry) {
  const { data } = entry;
  const more = [
    entry.type === "plan_set" ? plain(data.view) : "",
    data.level ?? "",
    data.side ?? "",
    data.volume_ml ? `${data.volume_ml} ml` : "",
    data.text ?? "",
    entry.cause ?? "",
  ];
  const title = entry.type === "plan_set" ? "Landmarks set" : sentence(entry.type);
  return [title, more.filter(Boolean).join(", ")].filter(Boolean).join(": ");
}

/** Alerts as spans of time: {from, until, priority, message}; one still open lasts until the end. */
export function spansOf(entries, end) {
  const spans = new Map();
  for (const entry of entries) {
    const alert = entry.data.alert;
    if (!alert || alert.kind === "technical") continue;
    const at = momentOf(entry);
    if (!spans.has(alert.id)) spans.set(alert.id, { from: at, until: null, priority: alert.priority, message: alert.message });
    const span = spans.get(alert.id);
    if (entry.type === "alert_worsened") Object.assign(span, { priority: alert.priority, message: alert.message });
    if (entry.type === "alert_ended") span.until = at;
  }
  return [...spans.values()].map((span) => ({ ...span, until: span.until ?? end }));
}
