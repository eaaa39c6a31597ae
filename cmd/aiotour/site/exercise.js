// Runs the tests of an exercise on the server, and shows what they say.
import { el, progress } from "./engine.js";

export function exercise(button) {
  const name = button.dataset.check;
  const result = document.querySelector("[data-result]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    result.dataset.result = "running";
    result.replaceChildren(el("p", {}, "The tests are being compiled and run. The first time takes longest…"));
    try {
      const response = await fetch(`exercises/${name}`, { method: "POST" });
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      show(JSON.parse(text));
    } catch (err) {
      result.dataset.result = "error";
      result.replaceChildren(el("p", { class: "failure" }, "The tests could not be run."), el("pre", { class: "source" }, String(err.message)));
    }
    button.disabled = false;
  });

  function show(r) {
    document.querySelector("[data-source]").textContent = r.source;
    result.dataset.result = r.passed ? "passed" : "failed";
    if (r.passed) progress.set(`solved:${name}`);
    const failed = r.tests.filter((t) => !t.passed);
    const verdict = r.passed ? ["win", el("strong", {}, "Solved. "), `All ${r.tests.length} tests pass.`]
      : r.tests.length ? ["lose", el("strong", {}, "Not yet. "), `${failed.length} of ${r.tests.length} tests fail. Begin with the first of them.`]
        : ["lose", el("strong", {}, "It does not compile. "), "The message has the line."];
    result.replaceChildren(el("div", { class: `verdict ${verdict[0]}` }, el("p", {}, ...verdict.slice(1))),
      ...(r.passed || !r.output.trim() ? [] : [el("pre", { class: "source" }, r.output.trim())]),
      ...r.tests.map((t) => el("details", { class: t.passed ? "test passed" : "test failed", open: t === failed[0], "data-test": t.name },
        el("summary", {}, `${t.passed ? "✓" : "✗"} ${t.name}`),
        t.output.trim() ? el("pre", { class: "source" }, t.output.trim()) : el("p", {}, "It passes."),
        t.page && el("p", {}, el("a", { href: `${t.page}.html` }, "The page of this course on it")))));
  }
}
