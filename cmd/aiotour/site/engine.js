// Loads the programs of the course, which are Go compiled to WebAssembly, once for a page.
import "./wasm_exec.js";

let loading;

function load() {
  loading ??= (async () => {
    const go = new globalThis.Go();
    const response = await fetch("course.wasm.bin");
    if (!response.ok) throw new Error(`course.wasm.bin: ${response.status}`);
    // The file is compressed with gzip, so that a server need not do that.
    const body = response.body.pipeThrough(new DecompressionStream("gzip"));
    const wasm = new Response(body, { headers: { "Content-Type": "application/wasm" } });
    const { instance } = await WebAssembly.instantiateStreaming(wasm, go.importObject);
    await new Promise((ready, failed) => {
      globalThis.aiotour = { ready };
      go.run(instance).then(() => failed(new Error("the programs have ended")), failed);
    });
    return globalThis.aiotour;
  })();
  return loading;
}

// run returns a run of a program: its frames, and how it ended.
export async function run(program, choices = []) {
  return JSON.parse(await (await load()).run(program, JSON.stringify(choices)));
}

// search looks for a schedule in which a program fails.
export async function search(program, runs = 20000) {
  return JSON.parse(await (await load()).search(program, runs));
}

// passes returns the passes of the small loop of the page on how it works.
export async function passes() {
  return JSON.parse(await (await load()).passes());
}

let courseData;

// course returns the texts of the course: levels, and the sources of the programs.
export function course() {
  courseData ??= fetch("course.json").then((r) => {
    if (!r.ok) throw new Error(`course.json: ${r.status}`);
    return r.json();
  });
  return courseData;
}

// el makes an element. Children are elements and texts.
export function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) {
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v !== undefined) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c !== undefined && c !== null));
  return e;
}

// progress remembers what was won, if the browser allows that.
export const progress = {
  get(key) { try { return localStorage.getItem("aiotour:" + key); } catch { return null; } },
  set(key) { try { localStorage.setItem("aiotour:" + key, "1"); } catch { /* it is forgotten */ } },
};
