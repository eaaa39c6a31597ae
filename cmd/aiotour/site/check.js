// Runs all programs in this browser, and reports to the server what differs from the
// expectations in check.json, which were made by the same programs outside of it.
import { el, run, search } from "./engine.js";

const bad = [];
let count = 0;
try {
  const want = await (await fetch("check.json")).json();
  for (const w of want) {
    count++;
    const r = await run(w.func, w.choices);
    const got = { steps: r.frames.length - 1, failed: r.failed, text: r.text ?? "" };
    for (const k of Object.keys(got)) if (got[k] !== w[k]) bad.push(`${w.func}: ${k} is ${got[k]}, want ${w[k]}`);
    const f = await search(w.func, 600);
    if (f.failed !== w.breaks) bad.push(`${w.func}: the search says ${f.failed}, want ${w.breaks}`);
  }
} catch (err) { bad.push(String(err)); }
document.getElementById("result").append(...(bad.length ? bad : [`${count} runs are as expected.`]).map((t) => el("p", {}, t)));
document.body.dataset.ready = "yes";
await fetch("checked", { method: "POST", body: JSON.stringify({ count, bad }) }).catch(() => {});
