// Runs the small loop of the page on how it works, one pass at a time.
import { el, passes } from "./engine.js";

export async function loop(root) {
  const all = await passes();
  let at = 0;
  const output = el("pre", { class: "output", "data-loop-output": "" });
  const state = el("p", { class: "now", role: "status" });
  const button = (id, text, act) => el("button", { "data-loop-do": id, onclick: act }, text);
  const pass = button("pass", "Run one pass", () => { at++; show(); });
  const run = button("run", "Run", () => { at = all.length - 1; show(); });
  const reset = button("reset", "Reset", () => { at = 0; show(); });
  pass.classList.add("main");
  function show() {
    const p = all[at];
    pass.disabled = run.disabled = at === all.length - 1;
    state.textContent = `${at === 0 ? "No pass has run" : `After pass ${at}`}: time ${p.now}, ${count(p.ready, "function")} ready, ${count(p.timers, "timer")}.`;
    output.textContent = p.output.trim();
  }
  show();
  root.classList.add("player");
  root.append(el("div", { class: "bar" }, pass, run, reset), state, el("h3", {}, "Output"), output);
}

function count(n, what) { return `${n} ${what}${n === 1 ? "" : "s"}`; }
