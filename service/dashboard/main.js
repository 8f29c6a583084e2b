// The second monitor of the room. A quiet screen must mean: fresh frames are being judged. Nothing else.

import { Access } from "./access.js";
import { Alerts } from "./alerts.js";
import { Landmarks } from "./landmarks.js";
import { Link, ask, isOut } from "./link.js";
import { Records } from "./records.js";
import { Review } from "./review.js";
import { Sound } from "./sound.js";
import { Sources } from "./sources.js";
import { say } from "./words.js";

const NO_CONTACT_MS = 3000;
const TICK_MS = 250;

const part = (id) => document.getElementById(id);
let tiers = null;
const landmarks = new Landmarks(part("landmarks"));
const sources = new Sources(part("sources"), part("no-source"), {
  serverNow: () => link.serverNow(),
  tiers: () => tiers,
  openLandmarks: (panel) => landmarks.open(panel),
});
const sound = new Sound({ button: part("sound"), medium: part("medium-tone"), silent: part("silent"), start: part("sound-start") });
const alerts = new Alerts({
  list: part("alert-list"),
  count: part("alert-count"),
  foremost: part("foremost"),
  serverNow: () => link.serverNow(),
});

const access = new Access({
  panel: part("sign-in"),
  form: part("sign-in-form"),
  title: part("sign-in-title"),
  name: part("sign-in-name"),
  password: part("sign-in-password"),
  button: part("sign-in-button"),
  oneClick: part("one-click"),
  words: part("sign-in-words"),
  who: part("who"),
  signOut: part("sign-out"),
});

const link = new Link({
  alerts: (items) => alerts.hear(items),
  entry: (entry) => sources.see(entry),
  sources: (list) => sources.hear(list),
  restart: () => alerts.clear(),
});

const review = new Review(part("review"), (id) => (location.hash = `review/${encodeURIComponent(id)}`));
const records = new Records(part("record"), (place) => (location.hash = place));

/** A part of the address; one that was written wrongly as it stands: alarms must not hang on an address. */
function decoded(words) {
  try {
    return decodeURIComponent(words);
  } catch {
    return words;
  }
}

/** Live, looking back or the record, as the address says; alarms go on in all of them. */
function showPlace() {
  const [place, ...rest] = location.hash.slice(1).split("/").map(decoded);
  const here = ["review", "record"].includes(place) ? place : "live";
  document.body.dataset.place = here;
  part("review").hidden = here !== "review";
  part("record").hidden = here !== "record";
  for (const link_ of document.querySelectorAll(".places a")) {
    if (link_.getAttribute("href") === `#${here}`) link_.setAttribute("aria-current", "page");
    else link_.removeAttribute("aria-current");
  }
  if (here === "review" && !isOut()) review.open(rest[0] || null);
  else review.close();
  if (here === "record" && !isOut()) records.open(rest[0] || "", rest[1] || null);
  else records.close();
}

function showContact() {
  const silence = link.silence();
  const isLost = silence > NO_CONTACT_MS && !isOut();
  document.body.dataset.contact = isLost ? "lost" : "good";
  part("no-contact").hidden = !isLost;
  say(part("no-contact-words"), isLost ? ` for ${Math.floor(silence / 1000)} s. What stands below is old: watch the fluoroscopy itself.` : "");
  part("contact").dataset.state = isOut() ? "waiting" : isLost ? "lost" : link.isStreaming ? "live" : "polling";
  say(part("contact-words"), isOut() ? "Not signed in" : isLost ? "No contact" : link.isStreaming ? "Connected" : "Connected, polling");
}

function showQuiet() {
  const words = part("quiet-words");
  const isLost = document.body.dataset.contact === "lost";
  const isGood = !isLost && sources.isWatching;
  // an alert about cement speaks for itself; one about the system does not yet say what a quiet screen is worth
  const isSpoken = alerts.open.some((alert) => alert.kind !== "technical") || (isGood && alerts.open.length > 0);
  const about = alerts.open.length ? " about cement" : "";
  if (isSpoken) say(words, "");
  else if (isLost) say(words, "Unknown: no contact.");
  else if (isGood) say(words, "No alert. Frames are being judged.");
  else say(words, [`No alert${about}, but nothing is being judged now.`, ...(sources.states ?? [])].join(" "));
  words.hidden = isSpoken;
  words.dataset.state = isGood ? "good" : "doubt";
}

function tick() {
  showContact();
  sources.tick();
  alerts.arrange();
  showQuiet();
  sources.warn(alerts.open);
  document.body.dataset.alerts = alerts.open.length > 0;
  sound.tick(isOut() ? [] : alerts.open, document.body.dataset.contact === "lost");
  part("replay").hidden = !(sources.isReplay || alerts.open.some((alert) => alert.mode === "replay"));
  say(part("clock"), new Date().toLocaleTimeString("en-GB"));
}

window.addEventListener("hashchange", showPlace);
setInterval(tick, TICK_MS);
setInterval(() => link.isStreaming || isOut() || sources.catchUp(), 1000);
ask("version").then(
  (version) => {
    tiers = version.distance_tiers;
    say(part("version"), `cementwatch ${version.software} · algorithm ${version.algorithm} · rules ${version.rules}`);
  },
  () => {},
);
access.start().then((isIn) => {
  part("not-started").hidden = true; // it stands in the page itself: scripts that do not load cannot say so
  showPlace();
  if (isIn) link.start().then(tick);
});
