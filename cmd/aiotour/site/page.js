// Starts what a page contains: players, questions and a level.
import { course, el, progress, run } from "./engine.js";
import { Player } from "./player.js";
import { exercise } from "./exercise.js";
import { level } from "./level.js";
import { loop } from "./loop.js";
import { explorer } from "./search.js";

async function guess(root, program) {
  const { programs } = await course();
  const { parts, guess: answers } = programs[program];
  const note = el("p", { role: "status" });
  const board = el("div", { hidden: true });
  const list = el("div", { class: "choices" });
  root.append(el("pre", { class: "source" }, el("code", {}, parts.map((p) => p.text).join("\n\n"))),
    el("p", {}, el("strong", {}, "Guess first: "), "in which order is the output?"), list, note, board);
  let player;
  for (const answer of answers) {
    const button = el("button", { "data-answer": answer, onclick: async () => {
      const r = await run(program);
      const output = r.frames.at(-1).output.join(" ");
      const right = answer === output;
      button.classList.add(right ? "right" : "wrong");
      note.textContent = right ? "Yes. Step through it to see why." : "No. Step through it, then try again.";
      root.querySelector("pre").hidden = true;
      board.hidden = false;
      if (!player) { player = new Player(board, program); await player.start(); }
    } }, el("code", {}, answer));
    list.append(button);
  }
}

function cards() {
  for (const card of document.querySelectorAll("[data-card]")) {
    const id = card.dataset.card;
    const state = progress.get(`mended:${id}`) ? "broken and mended" : progress.get(`broken:${id}`) ? "broken" : progress.get(`solved:${id}`) ? "solved" : "";
    if (state) card.append(el("span", { class: "state" }, state));
  }
}

async function start() {
  cards();
  for (const e of document.querySelectorAll("[data-check]")) exercise(e);
  for (const e of document.querySelectorAll("[data-play]")) await new Player(e, e.dataset.play).start();
  for (const e of document.querySelectorAll("[data-guess]")) await guess(e, e.dataset.guess);
  for (const e of document.querySelectorAll("[data-search]")) await explorer(e, e.dataset.search);
  for (const e of document.querySelectorAll("[data-loop]")) await loop(e);
  for (const e of document.querySelectorAll("[data-level]")) await level(e, e.dataset.level);
}

start().then(() => { document.body.dataset.ready = "yes"; }, (err) => {
  document.body.dataset.ready = "failed";
  document.querySelector("main").append(el("p", { class: "failure", role: "alert" }, `This page does not work: ${err.message}`));
});
