// The wire: one live stream, polling where the stream fails, and a heartbeat whoever brings it.

export const API = "api/v1";
const POLL_MS = 1000;
const STREAM_SILENT_MS = 2500;
const RETRY_STREAM_MS = 5000;

// Every type of journal entry that the stream brings; a test holds this list against the vocabulary.
export const ENTRY_TYPES = [
  "procedure_opened", "procedure_changed", "procedure_closed", "plan_set", "frame_seen", "frames_skipped",
  "frame_failed", "object_kept", "object_incomplete", "objects_removed", "alert_raised", "alert_worsened", "alert_changed", "alert_ended", "alert_escalated", "acknowledged",
  "paused", "pause_ended", "reset", "act_refused", "acknowledge", "pause", "reset_asked", "injection_started",
  "injection_stopped", "aliquot", "resistance", "cement_mixed", "needle_placed", "stylet", "note",
  "record_changed",
];

export class Refused extends Error {
  constructor(status, code, message, details) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details ?? {};
  }
}

/** Told to the document when the server no longer knows who is asking. */
export const SIGNED_OUT = "signed-out";

/** Whether this screen knows that nobody is signed in at it: then there is nothing to ask for. */
export const isOut = () => document.body.dataset.access === "out";

/** JSON of one request; a Refused with the server's own words when it says no. */
export async function ask(path, options = {}) {
  const limit = AbortSignal.timeout(options.patience ?? 5000);
  const response = await fetch(`${API}/${path}`, { signal: limit, cache: "no-store", ...options });
  const body = await response.json().catch(() => null);
  if (response.status === 401 && path !== "session") document.dispatchEvent(new CustomEvent(SIGNED_OUT));
  if (!response.ok) throw new Refused(response.status, body?.error?.code ?? "error", body?.error?.message ?? response.statusText, body?.error?.details);
  return body;
}

let csrf;

/** A change, with the word that only our own page knows. */
export async function send(path, content, options = {}) {
  try {
    return await change(path, content, options);
  } catch (error) {
    if (error.code !== "csrf_token_missing") throw error;
    csrf = undefined; // another tab has signed in anew, and with the cookie went the word
    return change(path, content, options);
  }
}

async function change(path, content, options) {
  csrf ??= (await ask("session")).csrf_token ?? "";
  const headers = { "Content-Type": "application/json", ...options.headers, "X-CSRF-Token": csrf };
  return ask(path, { method: "POST", body: JSON.stringify(content ?? {}), ...options, headers });
}

/** The picture of a frame; without a width in its own pixels. */
export function frameUrl(frame, procedure, { overlay = false, width = null } = {}) {
  const query = new URLSearchParams({ procedure, overlay, ...(width ? { width } : {}) });
  return `${API}/frames/${encodeURIComponent(frame.sop_instance_uid)}/${frame.index}.jpg?${query}`;
}

/** Brings alerts, entries and sources; `on` has alerts(items), entry(entry), sources(list), restart(). */
export class Link {
  constructor(on) {
    this.on = on;
    this.after = 0;
    this.seen = 0;
    this.heardAt = performance.now();
    this.streamAt = -Infinity;
    this.stream = null;
    this.triedAt = -Infinity;
    this.isFetching = false;
    this.isStale = false;
    this.clockAhead = 0;
  }

  /** Milliseconds since anything was heard from the server's heart. */
  silence() {
    return performance.now() - this.heardAt;
  }

  /** The server's clock, in milliseconds since 1970: a screen's own clock may be wrong. */
  serverNow() {
    return Date.now() + this.clockAhead;
  }

  get isStreaming() {
    return performance.now() - this.streamAt < STREAM_SILENT_MS;
  }

  async start() {
    await this.fetchAlerts(true);
    this.openStream();
    setInterval(() => this.tend(), POLL_MS);
  }

  /** Each second: poll while the stream is silent, and try the stream again now and then. */
  async tend() {
    if (this.isStreaming || isOut()) return;
    this.fetchAlerts(this.after === 0);
    if (performance.now() - this.triedAt < RETRY_STREAM_MS) return;
    this.triedAt = performance.now();
    await this.checkPlace();
    this.openStream();
  }

  /** From the last entry heard, so that nothing is left out or comes twice; a screen just opened begins now. */
  openStream() {
    this.stream?.close();
    this.triedAt = performance.now();
    const stream = new EventSource(`${API}/live${this.seen ? `?after=${this.seen}` : ""}`);
    this.stream = stream;
    stream.addEventListener("open", () => this.fetchAlerts(this.after === 0)); // what changed before it began
    stream.addEventListener("heartbeat", (event) => this.beat(JSON.parse(event.data)));
    stream.addEventListener("closing", () => this.openStream());
    for (const type of ENTRY_TYPES) {
      stream.addEventListener(type, (event) => this.entry(JSON.parse(event.data)));
    }
  }

  /** A stream cannot tell why it failed; a place ahead of the journal means that the journal is another one. */
  async checkPlace() {
    if (!this.seen) return;
    try {
      const answer = await fetch(`${API}/live?after=${this.seen}&lifetime=0.01`, { signal: AbortSignal.timeout(2000) });
      if (answer.status === 409) this.restart();
    } catch {
      // no contact: the place is as good as it was
    }
  }

  beat(content) {
    this.streamAt = performance.now();
    this.seen ||= content.head;
    const unlogged = content.unlogged ?? [];
    if (content.journal === null || unlogged.length) this.heard(content.sources, content.server_time);
    if (unlogged.length) this.on.alerts(unlogged);
  }

  heard(sources, serverTime) {
    this.heardAt = performance.now();
    this.clockAhead = Date.parse(serverTime) - Date.now();
    this.on.sources(sources);
  }

  entry(entry) {
    this.streamAt = performance.now();
    if (entry.alert !== null) this.fetchAlerts(false);
    if (entry.number <= this.seen) return;
    this.seen = entry.number;
    this.on.entry(entry);
  }

  /** Everything changed since the cursor; once more if something changed meanwhile. */
  async fetchAlerts(isFirst) {
    if (this.isFetching) {
      this.isStale = true;
      return;
    }
    this.isFetching = true;
    try {
      do {
        this.isStale = false;
        const page = await ask(`alerts?after=${this.after}&limit=500${isFirst ? "&active=true" : ""}`);
        this.after = page.next_after;
        this.heard(page.sources, page.server_time);
        this.on.alerts(page.items);
        if (page.items.length === 500) this.isStale = true;
      } while (this.isStale);
    } catch (error) {
      if (error.code === "cursor_ahead") this.restart();
      if (error.details?.unlogged) this.on.alerts(error.details.unlogged);
    } finally {
      this.isFetching = false;
    }
  }

  /** The journal is another one: forget what this screen knew. */
  restart() {
    this.after = this.seen = 0;
    this.on.restart();
    this.stream?.close();
    this.triedAt = -Infinity;
  }
}
