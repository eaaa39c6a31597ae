// Lets the search try the schedules of a program, and plays the one in which it fails.
import { el, search } from "./engine.js";
import { Player } from "./player.js";

export async function explorer(root, program) {
  const board = el("div");
  root.append(board);
  const player = new Player(board, program);
  const button = el("button", { "data-do": "search", onclick: async () => {
    button.disabled = true;
    player.note.replaceChildren(el("p", {}, "Trying all schedules…"));
    const f = await search(program);
    if (f.failed) {
      await player.load(f.choices);
      player.show(0);
    }
    player.note.replaceChildren(el("div", { class: `verdict ${f.failed ? "lose" : "win"}`, "data-verdict": f.failed ? "lose" : "win" }, el("p", {}, f.failed
      ? `It fails in run ${f.runs}: ${f.text}. This schedule is loaded: step through it.`
      : f.complete ? `It works in all ${f.runs} schedules that can be told apart.` : `It worked in ${f.runs} schedules.`)));
    button.disabled = false;
  } }, "Try all orders");
  player.extra = [button];
  await player.start();
}
