// The list of alerts, the foremost of them as a banner, and what an operator may do.

import { send } from "./link.js";
import { PRIORITIES, SIGNAL_WORDS, age, clock, element, icon, plain, say } from "./words.js";

const PAUSE_S = 60;
const KEEP_OVER_MS = 60_000;

const isOpen = (alert) => alert.condition === "present" || alert.signal !== "off";
const loudness = (alert) => (alert.signal === "on" ? 0 : alert.condition === "present" ? 1 : alert.signal === "latched" ? 2 : 3);
const rank = (alert) => PRIORITIES.indexOf(alert.priority);

function before(left, right) {
  return (
    loudness(left) - loudness(right) || rank(left) - rank(right) || Date.parse(right.raised_at) - Date.parse(left.raised_at)
  );
}

class Card {
  constructor(alert, changed) {
    this.changed = changed;
    this.node = element("li", "alert");
    this.node.append(icon(alert.priority));
    const body = element("div", "alert-body");
    const head = element("div", "alert-head");
    this.priority = element("span", "priority");
    this.what = element("p", "what");
    this.mode = element("span", "mode");
    this.since = element("span", "since");
    head.append(this.priority, this.mode, this.since);
    this.message = element("p", "message");
    this.signal = element("p", "signal");
    this.words = element("p", "refused");
    body.append(head, this.message, this.what, this.signal, this.buildActs(), this.words);
    this.node.append(body);
    this.show(alert);
  }

  buildActs() {
    const row = element("div", "acts");
    this.acknowledge = this.button("Acknowledge", "acknowledge", () => ({}));
    this.pause = this.button(`Pause ${PAUSE_S} s`, "pause", () => ({ seconds: PAUSE_S }));
    this.reset = this.button("Reset", "reset", () => ({}));
    row.append(this.acknowledge, this.pause, this.reset);
    return row;
  }

  button(label, act, content) {
    const made = element("button", "act", label);
    made.type = "button";
    made.dataset.act = act;
    made.addEventListener("click", () => this.act(act, content()));
    return made;
  }

  async act(name, content) {
    const buttons = [this.acknowledge, this.pause, this.reset];
    for (const button of buttons) button.disabled = true;
    say(this.words, "");
    try {
      this.changed(await send(`alerts/${encodeURIComponent(this.alert.id)}/${name}`, content));
    } catch (error) {
      say(this.words, error.status ? error.message : "No answer from cementwatch. Try again.");
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  show(alert) {
    if (this.alert && this.alert.priority !== alert.priority) this.node.firstChild.replaceWith(icon(alert.priority));
    this.alert = alert;
    Object.assign(this.node.dataset, {
      id: alert.id, priority: alert.priority, signal: alert.signal, condition: alert.condition,
    });
    say(this.priority, alert.priority);
    const showing = alert.witnesses.filter((each) => each.condition === "present");
    const views = [...new Set([alert, ...showing].map((each) => each.view))].filter((view) => view !== "unknown");
    const from = [...new Set([alert, ...showing].map((each) => each.source))].join(", ");
    const place = [plain(alert.zone), alert.level, views.length ? `${views.map((view) => (view === "ap" ? "AP" : plain(view))).join(" and ")} view` : "", from];
    say(this.what, [plain(alert.technical_cause ?? alert.kind), ...place].filter(Boolean).join(" · "));
    say(this.mode, alert.mode === "live" ? "" : plain(alert.mode));
    say(this.message, alert.message);
    const doubt = alert.validity === "questionable" ? ", not confirmed by recent frames" : "";
    const unlogged = alert.unlogged ? ", not in the log" : "";
    const who = alert.signal === "acknowledged" && alert.acknowledged_by ? ` by ${alert.acknowledged_by}` : "";
    const ended = alert.condition === "ended" && alert.signal !== "latched" ? "Ended. " : "";
    const signal = ended && alert.signal === "off" ? "" : (SIGNAL_WORDS[alert.signal] ?? plain(alert.signal));
    say(this.signal, `${ended}${signal}${who}${signal && doubt}${unlogged}`.trim());
    this.acknowledge.hidden = this.pause.hidden = alert.signal !== "on" || alert.unlogged === true;
    this.reset.hidden = !(alert.condition === "ended" && alert.signal !== "off");
  }

  tick(now) {
    const passed = Math.max(0, (now - Date.parse(this.alert.raised_at)) / 1000);
    say(this.since, `${clock(this.alert.raised_at)} · ${age(passed)}`);
  }
}

/** All alerts this screen knows. */
export class Alerts {
  constructor(parts) {
    Object.assign(this, parts);
    this.cards = new Map();
    this.foremostKey = "";
  }

  hear(items) {
    for (const alert of items) {
      const card = this.cards.get(alert.id);
      if (card && card.alert.number > alert.number) continue;
      if (card) card.show(alert);
      else if (isOpen(alert)) this.cards.set(alert.id, new Card(alert, (changed) => this.hear([changed])));
    }
    this.arrange();
  }

  clear() {
    this.cards.clear();
    this.arrange();
  }

  get open() {
    return [...this.cards.values()].map((card) => card.alert).filter(isOpen).sort(before);
  }

  /** Alerts that are over stay readable for a minute, then go; the log keeps them. */
  arrange() {
    const now = this.serverNow();
    for (const [id, card] of this.cards) {
      if (!isOpen(card.alert) && now - Date.parse(card.alert.changed_at) > KEEP_OVER_MS) this.cards.delete(id);
    }
    const sorted = [...this.cards.values()].sort((left, right) => before(left.alert, right.alert));
    const nodes = sorted.map((card) => card.node);
    if (nodes.length !== this.list.children.length || nodes.some((node, i) => this.list.children[i] !== node)) {
      this.list.replaceChildren(...nodes);
    }
    for (const card of sorted) card.tick(now);
    say(this.count, this.open.length ? String(this.open.length) : "");
    this.arrangeForemost();
  }

  arrangeForemost() {
    const first = this.open.find((alert) => alert.signal === "on" && alert.priority !== "low");
    const key = first ? `${first.id} ${first.number}` : "";
    if (key === this.foremostKey) return;
    this.foremostKey = key;
    this.foremost.hidden = !first;
    this.foremost.replaceChildren();
    if (!first) return;
    this.foremost.dataset.priority = first.priority;
    const words = element("div", "foremost-words");
    words.append(element("strong", "priority", first.priority), element("span", "message", first.message));
    this.foremost.append(icon(first.priority), words);
  }
}
