// Who sits at this screen: signing in and out, and what they may do.

import { SIGNED_OUT, ask, isOut, send } from "./link.js";
import { element, say } from "./words.js";

const SIGN_IN_MS = 15_000;
const LOOK_AGAIN_MS = 10_000;

export class Access {
  /** `parts` are the nodes of the page by name; every word from the server is put in as text. */
  constructor(parts) {
    Object.assign(this, parts);
    this.wasIn = false;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter("session", { name: this.name.value, password: this.password.value });
    });
    this.oneClick.addEventListener("click", () => this.enter("session/one-click"));
    this.signOut.addEventListener("click", () => this.leave());
    document.addEventListener(SIGNED_OUT, () => this.show({ name: null, one_click: !this.oneClick.hidden }));
    setInterval(() => this.lookAgain(), LOOK_AGAIN_MS);
  }

  /** Whether this screen may go on; a server that does not answer is the link's matter, not ours. */
  async start() {
    try {
      return this.show(await ask("session"));
    } catch {
      return true;
    }
  }

  show(session) {
    const isIn = session.name !== null;
    const wasOut = isOut();
    document.body.dataset.access = isIn ? "in" : "out";
    if (isIn) document.body.dataset.may = session.scopes.join(" ");
    this.panel.hidden = isIn;
    this.panel.dataset.was = this.wasIn ? "in" : "out";
    say(this.title, this.wasIn ? "You are no longer signed in. This screen shows no alerts." : "Sign in");
    say(this.who, isIn ? [session.name, session.role].filter(Boolean).join(" · ") : "");
    this.signOut.hidden = session.by !== "session";
    this.oneClick.hidden = !session.one_click;
    if (isIn && session.by === "local" && session.one_click) this.offerInTop();
    if (!isIn && !wasOut) this.name.focus(); // once: it must not be taken from whoever is typing
    this.wasIn ||= isIn;
    return isIn;
  }

  /** Somebody may have signed in in another tab. */
  async lookAgain() {
    if (!isOut()) return;
    const session = await ask("session").catch(() => null);
    if (session?.name) location.reload();
  }

  /** Where nobody need sign in, one may still want acts to carry a name. */
  offerInTop() {
    const offer = element("button", "quiet", "Act as demo operator");
    offer.type = "button";
    offer.addEventListener("click", () => this.enter("session/one-click"));
    this.who.after(offer);
  }

  async enter(path, content) {
    say(this.words, "");
    this.button.disabled = true;
    try {
      await send(path, content, { patience: SIGN_IN_MS });
      location.reload();
    } catch (error) {
      say(this.words, error.status ? error.message : "No answer from cementwatch. Try again.");
      this.password.value = "";
      this.password.focus();
    } finally {
      this.button.disabled = false;
    }
  }

  async leave() {
    try {
      await send("session", undefined, { method: "DELETE" });
    } finally {
      location.reload();
    }
  }
}
