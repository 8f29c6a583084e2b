// The tones of this screen. What is on, unacknowledged and urgent is heard until somebody does something about it.

import { say } from "./words.js";

// Notes in Hz, how often they come again, in order of urgency; a LOW alert is silent by design.
const TONES = {
  high: { notes: [880, 880, 1175], againMs: 4000 },
  lost: { notes: [660, 440, 660, 440], againMs: 4000 },
  medium: { notes: [587, 523], againMs: 12_000 },
  proof: { notes: [880], againMs: 0 },
};
const MEDIUM_KEY = "cementwatch-medium-tone";

export class Sound {
  /** `parts`: the button that turns sound on and off, the one that chooses the MEDIUM tone, the strip that says it is silent. */
  constructor({ button, medium, silent, start }) {
    Object.assign(this, { button, medium, silent, start });
    this.context = null;
    this.isWanted = false;
    this.hasMedium = localStorage.getItem(MEDIUM_KEY) !== "off";
    this.playedAt = -Infinity;
    this.playing = null;
    button.addEventListener("click", () => this.turn(!this.isWanted));
    start.addEventListener("click", () => this.turn(true));
    medium.addEventListener("click", () => this.turnMedium());
    this.show();
  }

  /** Whether a tone would be heard now; a browser may refuse or suspend sound whatever was wanted. */
  get isOn() {
    return this.isWanted && this.context?.state === "running";
  }

  /** Browsers allow sound only after a click, so the screen says plainly when it is silent. */
  async turn(isWanted) {
    this.isWanted = isWanted;
    if (isWanted) {
      this.context ??= new AudioContext();
      await this.context.resume().catch(() => {});
      this.play("proof");
    }
    this.show();
  }

  turnMedium() {
    this.hasMedium = !this.hasMedium;
    localStorage.setItem(MEDIUM_KEY, this.hasMedium ? "on" : "off");
    this.show();
  }

  show() {
    say(this.button, this.isOn ? "Sound is on" : "Sound is off");
    this.button.setAttribute("aria-pressed", String(this.isOn));
    say(this.medium, this.hasMedium ? "MEDIUM is heard" : "MEDIUM is silent");
    this.medium.setAttribute("aria-pressed", String(this.hasMedium));
  }

  /** Replays stay silent. `isLost`: the screen has no contact, which nobody else can tell. */
  tick(alerts, isLost) {
    const loud = alerts.filter((alert) => alert.signal === "on" && alert.mode !== "replay");
    const wanted = ["high", "medium"].find((priority) => loud.some((alert) => alert.priority === priority)) ?? null;
    const tone = wanted === "high" ? wanted : isLost ? "lost" : wanted === "medium" && this.hasMedium ? wanted : null;
    this.silent.hidden = this.isOn || !(tone || wanted);
    this.show();
    document.body.dataset.tone = this.isOn ? (tone ?? "") : "";
    if (!tone) this.playing = null;
    if (!tone || !this.isOn) return;
    const isNew = tone !== this.playing;
    if (!isNew && performance.now() - this.playedAt < TONES[tone].againMs) return;
    this.play(tone);
  }

  play(tone) {
    if (!this.isOn) return;
    if (tone !== "proof") [this.playing, this.playedAt] = [tone, performance.now()];
    TONES[tone].notes.forEach((pitch, place) => this.note(pitch, this.context.currentTime + place * 0.22));
  }

  note(pitch, at) {
    const tone = this.context.createOscillator();
    const volume = this.context.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.35, at + 0.02);
    volume.gain.linearRampToValueAtTime(0, at + 0.17);
    tone.connect(volume).connect(this.context.destination);
    tone.start(at);
    tone.stop(at + 0.2);
  }
}
