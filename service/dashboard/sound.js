// The tone of a HIGH alert: three short notes, repeated while it is neither acknowledged nor paused.

const REPEAT_MS = 4000;
const NOTES = [880, 880, 1175];

export class Sound {
  constructor(button) {
    this.button = button;
    this.context = null;
    this.isOn = false;
    this.playedAt = -Infinity;
    button.addEventListener("click", () => this.toggle());
  }

  /** Browsers allow sound only after a click, so the screen says plainly when it is silent. */
  async toggle() {
    this.isOn = !this.isOn;
    if (this.isOn) {
      this.context ??= new AudioContext();
      await this.context.resume();
    }
    this.button.textContent = this.isOn ? "Sound is on" : "Sound is off";
    this.button.setAttribute("aria-pressed", String(this.isOn));
  }

  /** Replays stay silent. */
  tick(alerts) {
    const isLoud = alerts.some((alert) => alert.priority === "high" && alert.signal === "on" && alert.mode !== "replay");
    if (!isLoud || !this.isOn || performance.now() - this.playedAt < REPEAT_MS) return;
    this.playedAt = performance.now();
    NOTES.forEach((pitch, place) => this.note(pitch, this.context.currentTime + place * 0.22));
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
