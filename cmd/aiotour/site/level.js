// A level: break a program by choosing the order of its steps, then choose a version of
// it that works in every order. All verdicts come from runs.
import { course, el, progress, search } from "./engine.js";
import { Player } from "./player.js";

export async function level(root, id) {
  const { levels } = await course();
  const data = levels.find((l) => l.id === id);
  const board = el("div");
  const mend = el("section", { hidden: true, class: "mend" });
  const hint = el("button", { "data-do": "hint", onclick: () => say("", el("p", {}, el("strong", {}, "Hint: "), data.hint)) }, "Hint");
  const show = el("button", { "data-do": "show", onclick: () => showWay() }, "Show me");
  root.append(el("p", {}, data.story), el("p", {},
    "You are the scheduler. ", el("strong", {}, "Step"), " runs the first entry of the ready queue, as asyncio does. ",
    "Or choose another entry. Dashed entries happen outside of the program: you decide when."),
    board, mend);

  let shown = false; // the search has shown its schedule since the last choice
  const player = new Player(board, data.broken, { onEnd: ended, onChange: (p) => { if (!p.ended) p.note.replaceChildren(); } });
  const verdict = player.note;
  player.extra = [hint, show];

  function say(kind, ...parts) {
    verdict.replaceChildren(el("div", { class: `verdict ${kind}`, "data-verdict": kind }, ...parts));
  }

  function ended(run, p) {
    if (p.program !== data.broken) {
      say(run.failed ? "lose" : "", el("p", {}, run.failed ? `This version fails: ${run.text}` : "This version worked in this schedule."));
      return;
    }
    if (!run.failed) {
      say("lose", el("p", {}, el("strong", {}, "The program survived. "), "In this schedule it works. Go back and choose another entry, or reset."));
      return;
    }
    const changed = run.frames.filter((f) => f.choice >= 0 && f.chosen > 0).length;
    if (shown) {
      say("", el("p", {}, el("strong", {}, "This schedule breaks the program: "), run.text), el("p", {}, data.moral), el("p", {}, "Reset, and do it yourself."));
    } else {
      progress.set(`broken:${id}`);
      const way = el("p", {}, "Looking for a shorter way…");
      say("win", el("p", {}, el("strong", {}, "You broke it: "), run.text), el("p", {}, data.moral), way);
      search(data.broken).then((f) => {
        way.textContent = `You chose another entry than the first ${times(changed)}. The search of package aiotest found a way with ${f.changed}, in ${f.runs} runs.`;
      });
    }
    openMend();
  }

  async function showWay() {
    const f = await search(data.broken);
    if (player.program !== data.broken) await player.change(data.broken);
    await player.load(f.choices);
    shown = true;
    player.show(0);
    say("", el("p", {}, `The search found a schedule with ${f.changed} choices that differ from asyncio's order. Step through it.`));
  }

  // Another choice or a reset ends what the search has shown.
  const load = player.load.bind(player);
  player.load = (choices) => { shown = false; return load(choices); };

  function openMend() {
    if (!mend.hidden) return;
    mend.hidden = false;
    const list = el("div", { class: "choices" });
    mend.append(el("h2", {}, "Mend it"), el("p", {}, "Which change makes it work in every order? More than one may."), list,
      el("p", {}, el("button", { "data-do": "original", onclick: () => player.change(data.broken) }, "Play the first version again")));
    for (const v of data.versions) {
      const note = el("small");
      const button = el("button", { "data-version": v.func, onclick: () => tryVersion(v, button, note) }, v.label, note);
      list.append(button);
    }
  }

  async function tryVersion(v, button, note) {
    note.textContent = "Trying all schedules…";
    await player.change(v.func);
    const f = await search(v.func);
    button.classList.add(f.failed ? "wrong" : "right");
    if (f.failed) {
      note.textContent = `It fails: ${f.text}. ${v.because}`;
      await player.load(f.choices);
      player.show(0);
      say("lose", el("p", {}, el("strong", {}, "Not yet. "), `The search found a schedule in which this version fails, in ${f.runs} runs. It is loaded: step through it.`));
      return;
    }
    progress.set(`mended:${id}`);
    note.textContent = v.because;
    say("win", el("p", {}, el("strong", {}, "Mended. "), f.complete ? `It works in all ${f.runs} schedules that can be told apart.` : `It worked in ${f.runs} schedules.`));
  }

  await player.start();
  if (progress.get(`broken:${id}`)) openMend();
}

function times(n) { return n === 1 ? "once" : n === 2 ? "twice" : `${n} times`; }
