// A player shows a run of a program, one step at a time. The learner may choose which of
// the ready entries runs next: that is another run, whose first choices are the same.
import { course, el, run } from "./engine.js";
import { lanes } from "./lanes.js";

export class Player {
  // program is the name of a program. onEnd is called with the run when its last frame
  // is shown.
  constructor(root, program, { onEnd = () => {}, onChange = () => {} } = {}) {
    Object.assign(this, { root, program, onEnd, onChange });
    this.root.classList.add("player");
    this.note = el("div", { role: "status" }); // for the page, below the buttons
    this.extra = []; // further buttons of the page
    this.root.dataset.program = program;
    this.root.replaceChildren(el("p", {}, "The programs are being loaded…"));
  }

  async start(choices = []) {
    try {
      this.texts = await course();
      await this.load(choices);
    } catch (err) {
      this.root.replaceChildren(el("p", { class: "failure", role: "alert" }, `The programs cannot run: ${err.message}`));
      throw err;
    }
    if (!this.bar) this.build();
    this.show(0);
  }

  // load makes the run with these choices.
  async load(choices) {
    this.choices = choices;
    this.run = await run(this.program, choices);
  }

  // change plays another program.
  async change(program) {
    this.pause();
    this.program = program;
    this.root.dataset.program = program;
    await this.load([]);
    this.show(0);
  }

  get frame() { return this.run.frames[this.at]; }
  get ended() { return this.at === this.run.frames.length - 1; }

  build() {
    const button = (id, text, title, act) => el("button", { "data-do": id, title, onclick: act }, text);
    this.buttons = {
      step: button("step", "Step", "Run the first entry of the ready queue (s)", () => this.step()),
      back: button("back", "Back", "Go back one step (b)", () => this.back()),
      run: button("run", "Run", "Run to the end (r)", () => this.play()),
      reset: button("reset", "Reset", "Start again (0)", () => this.reset()),
    };
    this.buttons.step.classList.add("main");
    this.where = el("span", { class: "where" });
    this.bar = el("div", { class: "bar" }, ...Object.values(this.buttons), ...this.extra, this.where);
    this.now = el("p", { class: "now", "aria-live": "polite" });
    this.source = el("div", { class: "source", tabindex: "0", "aria-label": "Source of the program" });
    this.queue = el("ol", { class: "queue" });
    this.tasks = el("table", { class: "tasks" });
    this.things = el("div", { class: "things" });
    this.output = el("pre", { class: "output" });
    this.lanes = el("div", { class: "rows" });
    this.thingsPart = el("section", {}, el("h3", {}, "Values"), this.things);
    this.outputPart = el("section", {}, el("h3", {}, "Output"), this.output);
    this.root.replaceChildren(this.bar, this.now, this.note,
      el("div", { class: "grid" },
        el("div", { class: "left" }, el("section", {}, el("h3", {}, "Program"), this.source)),
        el("div", { class: "right" },
          el("section", {}, el("h3", {}, "Ready queue: which runs next?"), this.queue),
          this.thingsPart,
          el("section", {}, el("h3", {}, "Tasks"), this.tasks),
          this.outputPart)),
      el("div", { class: "lanes" }, el("h3", {}, "Timeline"), this.lanes),
      el("p", { class: "keys" }, el("kbd", {}, "s"), " step, ", el("kbd", {}, "b"), " back, ", el("kbd", {}, "r"), " run, ",
        el("kbd", {}, "0"), " reset, ", el("kbd", {}, "1"), " to ", el("kbd", {}, "9"), " choose an entry of the ready queue"));
    this.root.tabIndex = -1;
    this.root.addEventListener("keydown", (e) => this.key(e));
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const act = { s: () => this.step(), b: () => this.back(), r: () => this.play(), 0: () => this.reset() }[e.key]
      ?? (/^[1-9]$/.test(e.key) ? () => this.choose(Number(e.key) - 1) : null);
    if (!act) return;
    e.preventDefault();
    act();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
  }

  step() {
    this.pause();
    if (!this.ended) this.show(this.at + 1);
  }

  back() {
    this.pause();
    if (this.at > 0) this.show(this.at - 1);
  }

  reset() {
    this.pause();
    return this.load([]).then(() => this.show(0));
  }

  // play shows step after step, until the end or the next click.
  play() {
    if (this.timer) { this.pause(); this.show(this.at); return; }
    const tick = () => {
      if (this.ended) { this.pause(); this.show(this.at); return; }
      this.timer = setTimeout(tick, 350);
      this.show(this.at + 1, true);
    };
    tick();
  }

  // choose makes entry i of the ready queue the next to run.
  async choose(i) {
    this.pause();
    const entry = this.frame.ready?.[i];
    if (!entry || this.ended || this.busy) return;
    if (i === this.frame.chosen) { this.show(this.at + 1); return; }
    if (this.frame.choice < 0 || !entry.may) return;
    this.busy = true;
    try {
      // The choices so far, of which the default ones may be missing at the end.
      const choices = [];
      for (const f of this.run.frames.slice(0, this.at)) if (f.choice >= 0) choices[f.choice] = f.chosen;
      choices[this.frame.choice] = i;
      await this.load(choices);
    } finally { this.busy = false; }
    this.show(this.at + 1);
  }

  show(at) {
    this.at = at;
    if (this.ended) this.pause();
    const f = this.frame, last = f.last;
    const ready = f.ready ?? [];
    this.buttons.step.disabled = this.ended;
    this.buttons.run.disabled = this.ended;
    this.buttons.run.textContent = this.timer ? "Pause" : "Run";
    this.buttons.back.disabled = at === 0;
    this.where.textContent = `step ${at}, pass ${f.pass}, time ${f.now}`;
    this.now.replaceChildren(...(last
      ? [el("span", { class: "token" }, plain(last.name).replace(tick, "")), outside(last) ? (tick.test(last.name) ? " comes closer." : " has happened.") : last.how ? ` ran, and ${plain(last.how)}.` : " ran, as a callback of the loop."]
      : ["Nothing has run yet. ", el("strong", {}, "main"), " is ready."]));
    this.showSource(f);
    this.showQueue(f, ready);
    this.tasks.replaceChildren(...(f.tasks ?? []).filter((t) => !t.event).map((t) => el("tr", {},
      el("td", {}, t.name),
      el("td", {}, el("span", { class: `chip ${t.state}` }, t.state)),
      el("td", {}, t.state === "waiting" ? `for ${quoted(t.what)}` : t.what))));
    this.things.replaceChildren(...(f.things ?? []).map(thing));
    this.thingsPart.hidden = !f.things?.length;
    this.output.textContent = (f.output ?? []).join("\n");
    this.outputPart.hidden = !this.run.frames.some((x) => x.output?.length);
    const [labels, boxes] = lanes(this.run.frames.slice(0, at + 1));
    this.lanes.replaceChildren(labels, boxes);
    boxes.scrollLeft = (boxes.querySelector("rect.last")?.getBBox().x ?? 0) + 60 - boxes.clientWidth;
    this.root.dataset.at = at;
    this.root.dataset.ended = this.ended;
    this.onChange(this);
    if (this.ended) this.onEnd(this.run, this);
  }

  showQueue(f, ready) {
    this.queue.replaceChildren();
    if (this.ended) {
      this.queue.append(el("li", {}, this.run.kind === "deadlock" ? "Empty, for ever." : "The program has ended."));
      return;
    }
    const current = f.pass > 0 ? f.left : ready.length;
    ready.forEach((e, i) => {
      if (i === current && i > 0) this.queue.append(el("li", { class: "pass" }, "in the next pass"));
      const may = i === f.chosen || f.choice >= 0 && e.may;
      const event = outside(e);
      const why = !may && f.choice >= 0 ? `must come after ${quoted(ready[e.oldest].name)}`
        : e.why === "start" ? (event ? "from outside" : "has not started")
          : e.why ? (e.why === "Sleep(0)" ? "after Sleep(0)" : `woken by ${quoted(e.why)}`) : "";
      this.queue.append(el("li", {}, el("button", {
        class: `${i === f.chosen ? "first" : ""} ${event ? "event" : ""}`, disabled: !may, "data-entry": i,
        onclick: () => this.choose(i),
      }, el("span", {}, `${i + 1}. ${plain(e.name)} `), why && el("small", {}, why))));
    });
  }

  showSource(f) {
    const text = this.texts.programs[this.program];
    if (this.shown !== this.program) {
      this.shown = this.program;
      this.source.scrollTop = 0;
      this.source.replaceChildren(...text.parts.flatMap((p, i) => [
        ...(i > 0 ? [el("span", { class: "l" }, "\n")] : []),
        ...p.text.split("\n").map((l, j) => el("span", { class: "l", "data-line": p.line + j }, el("span", {}, l || " "))),
      ]));
    }
    for (const l of this.source.querySelectorAll(".at")) {
      l.classList.remove("at");
      l.querySelectorAll("b").forEach((b) => b.remove());
    }
    let first;
    (f.tasks ?? []).forEach((t) => {
      if (!t.line || t.event) return;
      const l = this.source.querySelector(`[data-line="${t.line}"]`);
      if (!l) return;
      l.classList.add("at");
      l.append(el("b", { class: t.state }, t.name));
      first ??= l;
    });
    const lastTask = f.last && f.last.task >= 0 ? f.tasks[f.last.task] : null;
    const target = lastTask?.line ? this.source.querySelector(`[data-line="${lastTask.line}"]`) : null;
    if (target) {
      const box = this.source;
      if (target.offsetTop < box.scrollTop + box.offsetTop || target.offsetTop > box.scrollTop + box.offsetTop + box.clientHeight - 30) {
        box.scrollTop = target.offsetTop - box.offsetTop - box.clientHeight / 2;
      }
    }
  }
}

// The end of the name of an event that does not happen yet.
const tick = /, in \d+$/;

// What happens outside of the program is a task whose name begins with "event: ".
function outside(e) { return e.name.startsWith("event: "); }

// plain returns its name without that, in quotation marks inside of a sentence.
function plain(text) { return text.replace(/^event: /, "").replace(/^awaits event: (.*)/, "awaits “$1”"); }

function quoted(text) { return text.replace(/^event: (.*)/, "“$1”"); }

// thing draws a value of the program.
function thing(t) {
  const e = el("span", { class: `thing of-${t.kind}` }, el("strong", {}, t.name));
  if (t.kind === "queue") {
    const n = t.max || Math.max(t.n, 1);
    e.append(el("span", { class: "slots", "aria-hidden": "true" }, ...Array.from({ length: n }, (_, i) => el("i", { class: i < t.n ? "full" : "" }))));
  } else if (t.kind !== "value") {
    e.append(el("span", { class: "slots", "aria-hidden": "true" }, el("i", { class: t.n ? "full" : "" })));
  }
  e.append(t.text + (t.holder ? ` by ${t.holder}` : ""));
  return e;
}
