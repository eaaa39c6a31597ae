// The page of a monitor. It asks for JSON and draws; it holds no state of its own beyond what is
// chosen, filtered and zoomed. Nothing here comes from another place than the monitor.

const $ = (id) => document.getElementById(id);

function el(tag, attrs = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (k === "class") e.className = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v !== false && v != null) e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.filter((c) => c != null));
  return e;
}

// duration shows nanoseconds in the unit that fits.
function duration(ns) {
  if (ns == null) return "";
  const a = Math.abs(ns);
  if (a < 1e3) return ns + " ns";
  if (a < 1e6) return (ns / 1e3).toFixed(1) + " µs";
  if (a < 1e9) return (ns / 1e6).toFixed(1) + " ms";
  if (a < 60e9) return (ns / 1e9).toFixed(2) + " s";
  const s = Math.floor(a / 1e9), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? `${h} h ${m} min` : `${m} min ${s % 60} s`;
}

// count shows a number of things.
const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

const state = {
  view: "tasks", extra: "", paused: false, overview: null, tasks: [], byKey: new Map(), shown: [], chosen: 0,
  sort: "age", down: true, open: null, tl: { records: [], start: 0, from: 0, to: 1, lanes: [], fit: true },
};

// A file that was saved has its answers inside.
const saved = window.aioSnapshot;

async function get(path) {
  if (saved) {
    if (path in saved) return structuredClone(saved[path]);
    throw new Error("this is not in the file");
  }
  const r = await fetch(path);
  if (!r.ok) throw new Error((await r.text()).trim());
  return r.json();
}

// ---- header

const views = [["tasks", "Tasks"], ["graph", "Graph"], ["resources", "Resources"], ["health", "Health"], ["timeline", "Timeline"]];

function drawTabs() {
  const tabs = views.map(([id, title]) => [id, "", title]);
  for (const p of state.overview?.pages ?? []) tabs.push(["page", p.name, p.name]);
  const alarms = (state.overview?.loops ?? []).reduce((n, l) => n + l.alarms, 0);
  $("tabs").replaceChildren(...tabs.map(([id, extra, title]) => el("button", {
    role: "tab", "data-view": id, "aria-selected": String(state.view === id && state.extra === extra),
    onclick: () => show(id, extra),
  }, title, id === "health" && alarms ? el("span", { class: "badge", title: "warnings" }, String(alarms)) : null)));
}

function drawLoops() {
  $("loops").replaceChildren(...state.overview.loops.map((l) => el("div", { class: "loop " + l.state.split(" ")[0], title:
    `${l.stats.Passes} passes, ${l.stats.Steps} steps, ${l.stats.Callbacks} callbacks, longest delay of a timer ${duration(l.stats.MaxLag)}` },
  el("span", { class: "dot" }), el("b", {}, l.name), l.state,
  el("span", { class: "dim" }, `${count(l.stats.Tasks, "task")} · ${count(l.stats.Timers, "timer")} · ${count(l.stats.Jobs, "job")}`))));
}

function show(view, extra = "") {
  state.view = view;
  state.extra = extra;
  history.replaceState(null, "", "#" + (extra ? "page=" + encodeURIComponent(extra) : view));
  for (const v of document.querySelectorAll(".view")) v.hidden = v.id !== "view-" + view;
  drawTabs();
  refresh();
}

// ---- tasks

const columns = [
  ["name", "Task", (t) => t.name], ["state", "State", (t) => t.state], ["place", "Started at", (t) => fileFirst(t.place)],
  ["age", "Age", (t) => duration(t.age), true], ["busy", "Busy", (t) => duration(t.busy), true],
  ["waited", "Waited", (t) => duration(t.waited), true], ["steps", "Steps", (t) => String(t.steps), true],
  ["what", "Waits for", (t) => (t.cancelled ? "⚑ " : "") + waitsFor(t)],
];
const rowHeight = 28;

// fileFirst puts the file and line of a place before the function, whose name is long.
function fileFirst(place) {
  const i = place.lastIndexOf(" ");
  return /:\d+$/.test(place) ? place.slice(i + 1) + " " + place.slice(0, i) : place;
}

// waitsFor says what a task waits for, and who holds that.
function waitsFor(t) { return t.what + (t.holder ? `, held by ${t.holder}` : ""); }

function drawHead() {
  $("head").replaceChildren(...columns.map(([id, title, , num]) => el("button", {
    class: num ? "num" : "", role: "columnheader", "data-sort": id,
    "aria-sort": state.sort === id ? (state.down ? "descending" : "ascending") : "none",
    onclick: () => { state.down = state.sort === id ? !state.down : !!num; state.sort = id; arrange(); },
  }, title + (state.sort === id ? (state.down ? " ↓" : " ↑") : ""))));
}

function arrange() {
  drawHead();
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const hit = (t) => {
    const text = `${t.name} ${t.state} ${t.place} ${waitsFor(t)}`.toLowerCase();
    return words.every((w) => text.includes(w));
  };
  const list = words.length ? state.tasks.filter(hit) : state.tasks.slice();
  const k = state.sort, sign = state.down ? -1 : 1;
  list.sort((a, b) => sign * (typeof a[k] === "number" ? a[k] - b[k] : String(a[k]).localeCompare(String(b[k]), "en", { numeric: true })));
  const by = $("group").value;
  if (by) {
    const groups = new Map();
    for (const t of list) {
      const key = t[by] || "—";
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(t);
    }
    state.shown = [...groups].sort((a, b) => b[1].length - a[1].length)
      .flatMap(([key, tasks]) => [{ group: key, n: tasks.length }, ...tasks]);
  } else state.shown = list;
  $("count").textContent = list.length === state.tasks.length ? `${list.length} tasks` : `${list.length} of ${state.tasks.length} tasks`;
  $("spacer").style.height = state.shown.length * rowHeight + "px";
  state.chosen = Math.min(state.chosen, Math.max(0, state.shown.length - 1));
  drawRows();
}

// drawRows makes the rows that can be seen, and no others: there may be ten thousand.
function drawRows() {
  const box = $("scroll");
  const first = Math.max(0, Math.floor(box.scrollTop / rowHeight) - 4);
  const n = Math.ceil((box.clientHeight || 600) / rowHeight) + 8;
  $("rows").style.transform = `translateY(${first * rowHeight}px)`;
  $("rows").replaceChildren(...state.shown.slice(first, first + n).map((t, i) => {
    if (t.group != null) return el("div", { class: "row group", role: "row" }, el("span", {}, `${t.n} tasks`), el("span", { class: "whole" }, t.group));
    return el("div", { class: "row" + (first + i === state.chosen ? " chosen" : ""), role: "row", "data-key": key(t),
      onclick: () => { state.chosen = first + i; drawRows(); openTask(t.loop, t.id); } },
    ...columns.map(([id, , text, num]) => el("span", { class: (num ? "num " : "") + (id === "state" ? "state " + t.state : id), title: id === "place" || id === "what" ? text(t) : null }, text(t))));
  }));
}

const key = (t) => t.loop + "/" + t.id;

function choose(step) {
  let i = state.chosen + step;
  while (state.shown[i]?.group != null) i += Math.sign(step) || 1;
  if (i < 0 || i >= state.shown.length) return;
  state.chosen = i;
  const box = $("scroll"), top = i * rowHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
  drawRows();
}

// ---- one task

async function openTask(loop, id) {
  state.open = { loop, id };
  let d;
  try {
    d = saved ? savedTask(loop, id) : await get(`api/task?loop=${loop}&task=${id}`);
  } catch (e) {
    $("detail").hidden = false;
    $("detail").replaceChildren(el("h2", {}, "Gone"), el("p", {}, e.message), el("button", { onclick: closeTask }, "Close (Esc)"));
    return;
  }
  if (state.open?.id !== id) return;
  const link = (n) => {
    const t = state.byKey.get(loop + "/" + n);
    return el("button", { class: "link", onclick: () => openTask(loop, n) }, t ? t.name : "task " + n + ", done");
  };
  const links = (list) => list?.length ? el("dd", {}, ...list.slice(0, 50).flatMap((n, i) => (i ? [", ", link(n)] : [link(n)])), list.length > 50 ? ` and ${list.length - 50} more` : null) : el("dd", { class: "dim" }, "nobody");
  $("detail").hidden = false;
  $("detail").replaceChildren(
    el("h2", { tabindex: "-1" }, d.name), el("span", { class: "state " + d.state }, d.state + " for " + duration(d.for)),
    el("dl", {},
      el("dt", {}, "waits for"), el("dd", { class: "what" }, waitsFor(d) || "—"),
      el("dt", {}, d.heldBy ? "held by" : "that is"), d.heldBy ? links([d.heldBy]) : d.awaits?.length ? links(d.awaits) : el("dd", { class: "dim" }, "no task"),
      ...(d.resources ?? []).flatMap((r) => [el("dt", {}, r.holderTask === d.id ? "holds" : "waits at"), el("dd", {}, `${r.kind} of `, el("span", { class: "place" }, r.place), `, ${r.waiting} waiting`)]),
      el("dt", {}, "awaited by"), links(d.awaitedBy),
      el("dt", {}, "started by"), d.by ? el("dd", {}, link(d.by)) : el("dd", { class: "dim" }, "no task"),
      el("dt", {}, "started at"), el("dd", { class: "place" }, d.place),
      el("dt", {}, "has started"), d.children.length ? links(d.children) : el("dd", { class: "dim" }, "no task that is alive"),
      el("dt", {}, "age"), el("dd", {}, duration(d.age)),
      el("dt", {}, "busy, waited"), el("dd", {}, `${duration(d.busy)}, ${duration(d.waited)}`),
      el("dt", {}, "steps"), el("dd", {}, String(d.steps)),
      d.cancelled ? el("dt", {}, "cancelled") : null, d.cancelled ? el("dd", {}, "somebody has asked it to end") : null),
    el("h3", {}, "Stack"), el("pre", {}, d.stack || "The loop does not answer, or the task has no stack yet."),
    el("p", {}, el("button", { onclick: () => openTask(loop, id) }, "Look again"), " ",
      state.overview?.allowCancel ? el("button", { class: "danger", id: "cancel", onclick: () => cancelTask(loop, id, d.name) }, "Cancel this task") : null, " ",
      el("button", { onclick: closeTask }, "Close (Esc)")));
}

function savedTask(loop, id) {
  const t = state.byKey.get(loop + "/" + id), all = [...state.byKey.values()].filter((o) => o.loop === loop);
  if (!t) throw new Error("The task was done when the file was saved.");
  return { ...t, stack: "Stacks are not saved.", children: all.filter((o) => o.by === id).map((o) => o.id),
    awaitedBy: all.filter((o) => o.awaits?.includes(id)).map((o) => o.id) };
}

async function cancelTask(loop, id, name) {
  if (!confirm(`Cancel task ${name}?`)) return;
  const r = await fetch("api/cancel", { method: "POST", headers: { "X-Aiomon": "1", "Content-Type": "application/x-www-form-urlencoded" }, body: `loop=${loop}&task=${id}` });
  if (!r.ok) alert(await r.text());
  await refresh();
  openTask(loop, id);
}

function closeTask() {
  state.open = null;
  $("detail").hidden = true;
}

// ---- graph

function drawGraph() {
  const awaited = new Set();
  const next = (t) => [...(t.awaits ?? []), ...(t.heldBy ? [t.heldBy] : [])];
  for (const t of state.tasks) for (const a of next(t)) awaited.add(t.loop + "/" + a);
  const drawn = new Set();
  let room = 2000; // items
  const item = (t, path) => {
    if (room-- <= 0) return null;
    const name = el("button", { class: "link", onclick: () => openTask(t.loop, t.id) }, t.name);
    if (path.has(key(t))) return el("li", { class: "cycle" }, "↻ ", name, " — a cycle: they wait for each other");
    const again = drawn.has(key(t)) && next(t).length;
    drawn.add(key(t));
    const li = el("li", { role: "treeitem" }, el("span", { class: "state " + t.state }), name,
      el("span", { class: "dim what" }, t.what ? "  " + waitsFor(t) : ""), again ? el("span", { class: "dim" }, "  (its tasks are above)") : null);
    const below = again ? [] : next(t).map((a) => state.byKey.get(t.loop + "/" + a)).filter(Boolean);
    if (below.length) {
      const within = new Set(path).add(key(t));
      li.append(el("ul", { role: "group" }, ...below.map((b) => item(b, within)).filter(Boolean)));
    }
    return li;
  };
  const roots = state.tasks.filter((t) => !awaited.has(key(t)));
  const list = roots.map((t) => item(t, new Set())).filter(Boolean);
  for (const t of state.tasks) if (!drawn.has(key(t)) && next(t).length) list.unshift(item(t, new Set())); // cycles have no root
  $("tree").replaceChildren(el("ul", {}, ...list.filter(Boolean)));
  if (room <= 0) $("tree").append(el("p", { class: "dim" }, "More are not drawn."));
}

// ---- resources

function drawResources(list) {
  const words = $("res-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = list.filter((r) => words.every((w) => `${r.kind} ${r.place} ${r.holder ?? ""} ${r.state}`.toLowerCase().includes(w)));
  const link = (r, id) => {
    const t = state.byKey.get(r.loop + "/" + id);
    return el("button", { class: "link", onclick: () => openTask(r.loop, id) }, t ? t.name : "task " + id);
  };
  const cell = (name, text, attrs = {}) => el("td", { "data-label": name, ...attrs }, text);
  $("res-count").textContent = shown.length === list.length ? `${list.length} resources` : `${shown.length} of ${list.length} resources`;
  const several = new Set(list.map((r) => r.loop)).size > 1;
  $("resources").replaceChildren(el("table", { class: "resources" },
    el("thead", {}, el("tr", {}, ...[several ? "loop" : null, "kind", "state", "waiting", "held by", "who waits", "peak", "first used at, or address"].filter(Boolean)
      .map((h) => el("th", { class: h === "waiting" || h === "peak" ? "num" : "" }, h)))),
    el("tbody", {}, ...shown.slice(0, 500).map((r) => el("tr", { class: r.state === "full" || r.kind === "Lock" && r.waiting ? "busy" : "", "data-kind": r.kind },
      several ? cell("loop", String(r.loop)) : null,
      cell("kind", r.kind), cell("state", r.state + (r.limit && r.state !== "full" ? ` of ${r.limit}` : r.limit ? `, ${r.limit}` : "")),
      cell("waiting", String(r.waiting), { class: "num" }),
      cell("held by", r.holderTask ? link(r, r.holderTask) : r.holder ?? ""),
      el("td", { "data-label": "who waits" }, r.waiters?.length ? el("span", {}, ...r.waiters.slice(0, 5).flatMap((id, i) => i ? [", ", link(r, id)] : [link(r, id)]), r.waiting > 5 ? ` and ${r.waiting - 5} more` : "") : null),
      cell("peak", r.peak ? String(r.peak) : "", { class: "num" }), cell("place", fileFirst(r.place), { class: "place" }))))));
  if (!list.length) $("resources").replaceChildren(el("p", { class: "dim" }, "No task has used a lock, a queue or another primitive, and no connection was opened, since the loop is watched."));
}

// ---- health

function drawHealth(loops) {
  $("health").replaceChildren(...loops.flatMap((l) => {
    const most = Math.max(1, ...l.lags.map((b) => b.count));
    const grow = l.places.slice().sort((a, b) => b.live - a.live).slice(0, 30);
    return [el("div", { class: "cards" },
      el("div", { class: "card wide" }, el("h3", {}, `Warnings of ${l.name}`),
        ...(l.warnings.length ? l.warnings.map((w) => el("div", { class: "warning " + w.kind }, w.text, w.more ? el("pre", {}, w.more) : null))
          : [el("p", { class: "dim" }, "None.")])),
      el("div", { class: "card" }, el("h3", {}, "How late timers come up"),
        el("div", { class: "bars" }, ...l.lags.flatMap((b) => [el("span", {}, (b.upto === "more" ? "> 1 s" : "≤ " + b.upto)),
          bar(b.count ? Math.max(1, 100 * Math.log1p(b.count) / Math.log1p(most)) : 0), el("span", { class: "num" }, String(b.count))]))),
      el("div", { class: "card" }, el("h3", {}, "Where tasks are started"),
        el("table", {}, el("tr", {}, el("th", {}, "place"), el("th", { class: "num" }, "alive"), el("th", { class: "num" }, "ever")),
          ...grow.map((p) => el("tr", { class: p.grows ? "cycle" : "" }, el("td", { class: "place" }, p.place), el("td", { class: "num" }, String(p.live)), el("td", { class: "num" }, String(p.made)))))),
      el("div", { class: "card wide" }, el("h3", {}, "Slow steps"),
        l.slow.length ? el("table", {}, el("tr", {}, el("th", {}, "when"), el("th", {}, "what"), el("th", { class: "num" }, "took"), el("th", {}, "where it was")),
          ...l.slow.slice(-20).reverse().map((s) => el("tr", {}, el("td", {}, new Date(s.at).toLocaleTimeString()), el("td", {}, s.what), el("td", { class: "num" }, duration(s.duration)), el("td", {}, s.stack ? el("pre", {}, s.stack) : ""))))
          : el("p", { class: "dim" }, "None.")),
      el("div", { class: "card wide" }, el("h3", {}, "Errors that were never retrieved"),
        l.errors.length ? el("table", {}, ...l.errors.slice(-20).reverse().map((e) => el("tr", {}, el("td", {}, new Date(e.at).toLocaleTimeString()), el("td", {}, e.about), el("td", {}, e.text))))
          : el("p", { class: "dim" }, "None.")))];
  }));
}

function bar(percent) {
  const i = el("i");
  i.style.width = percent + "%";
  if (!percent) i.style.visibility = "hidden";
  return i;
}

// ---- timeline

const lane = 18, axis = 22, labels = 130;

async function loadTimeline() {
  const loops = state.overview?.loops ?? [];
  const chosen = $("tl-loop").value;
  $("tl-loop").replaceChildren(...loops.map((l) => el("option", { value: l.number, selected: String(l.number) === chosen }, l.name)));
  const loop = $("tl-loop").value;
  if (!loop) return;
  const tl = state.tl, wasPaused = state.paused;
  const [v] = await get(`api/timeline?loop=${loop}&n=5000`);
  if (state.paused && !wasPaused && tl.records.length) return; // paused meanwhile
  tl.records = v?.records ?? [];
  const busy = new Map();
  for (const r of tl.records) {
    r.lane = r.k === "step" || r.k === "step ended" ? r.t : r.t || "loop";
    busy.set(r.lane, (busy.get(r.lane) ?? 0) + (r.k === "loop waited" ? 0 : r.d) + 1);
  }
  tl.lanes = [...busy].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const at = tl.lanes.indexOf("loop");
  if (at > 0) tl.lanes.unshift(...tl.lanes.splice(at, 1));
  if (tl.fit) fitTimeline();
  drawTimeline();
}

function fitTimeline() {
  const tl = state.tl, r = tl.records;
  tl.fit = true;
  tl.start = tl.from = r.length ? Math.min(...r.map((x) => x.at)) : 0;
  tl.to = r.length ? Math.max(...r.map((x) => x.at + x.d)) : 1;
  if (tl.to <= tl.from) tl.to = tl.from + 1000;
}

function drawTimeline() {
  const c = $("tl"), tl = state.tl, css = getComputedStyle(document.documentElement);
  const colour = (n) => css.getPropertyValue("--" + n).trim();
  const w = c.clientWidth, h = c.clientHeight, ratio = devicePixelRatio || 1;
  c.width = w * ratio; c.height = h * ratio;
  const g = c.getContext("2d");
  g.scale(ratio, ratio);
  g.font = "12px system-ui, sans-serif";
  g.clearRect(0, 0, w, h);
  const x = (t) => labels + (t - tl.from) / (tl.to - tl.from) * (w - labels - 10);
  const shown = tl.lanes.slice(0, Math.max(1, Math.floor((h - axis) / lane)));
  const row = new Map(shown.map((name, i) => [name, i]));
  if (!tl.records.length) {
    g.fillStyle = colour("dim");
    g.fillText("Nothing has happened yet.", 16, 30);
    $("tl-info").textContent = "";
    return;
  }
  // axis
  g.fillStyle = colour("dim");
  const step = niceStep((tl.to - tl.from) / Math.max(2, (w - labels) / 120));
  for (let t = tl.start + Math.ceil((tl.from - tl.start) / step) * step; t < tl.to; t += step) {
    g.globalAlpha = .25;
    g.fillRect(x(t), axis - 4, 1, h);
    g.globalAlpha = 1;
    const text = t === tl.start ? "0" : duration(Math.round(t - tl.start));
    if (x(t) + 4 + g.measureText(text).width < w) g.fillText(text, x(t) + 4, 14);
  }
  shown.forEach((name, i) => {
    g.fillStyle = colour("line");
    g.fillRect(0, axis + (i + 1) * lane - 1, w, 1);
    g.fillStyle = colour("text");
    g.fillText(name.length > 18 ? name.slice(0, 17) + "…" : name, 8, axis + i * lane + 13);
  });
  tl.boxes = [];
  for (const r of tl.records) {
    const i = row.get(r.lane);
    if (i == null || r.at + r.d < tl.from || r.at > tl.to) continue;
    const a = Math.max(labels, x(r.at)), b = Math.min(w, x(r.at + r.d)), y = axis + i * lane;
    if (r.k === "loop waited") g.fillStyle = colour("soft");
    else if (r.e) g.fillStyle = colour("bad");
    else if (r.k === "step ended") g.fillStyle = colour("running");
    else if (r.k === "callback ran") g.fillStyle = colour("ready");
    else g.fillStyle = colour("accent");
    if (r.d || r.k === "step ended" || r.k === "callback ran") g.fillRect(a, y + 2, Math.max(1.5, b - a), lane - 5);
    else { g.beginPath(); g.arc(a, y + lane / 2, 2.5, 0, 7); g.fill(); }
    tl.boxes.push([a - 2, y, Math.max(a + 4, b), y + lane, r]);
  }
  $("tl-info").textContent = `${tl.records.length} records of ${tl.lanes.length} tasks, ${duration(tl.to - tl.from)}` + (shown.length < tl.lanes.length ? `; the busiest ${shown.length} are shown` : "");
}

function niceStep(s) {
  const p = 10 ** Math.floor(Math.log10(s));
  for (const m of [1, 2, 5, 10]) if (m * p >= s) return m * p;
  return 10 * p;
}

function zoom(factor, at = .5) {
  const tl = state.tl, mid = tl.from + at * (tl.to - tl.from);
  tl.fit = false;
  tl.from = mid - (mid - tl.from) * factor;
  tl.to = Math.max(tl.from + 100, mid + (tl.to - mid) * factor);
  drawTimeline();
}

function pan(part) {
  const tl = state.tl, d = part * (tl.to - tl.from);
  tl.fit = false;
  tl.from += d; tl.to += d;
  drawTimeline();
}

function timelineEvents() {
  const c = $("tl");
  let drag = null;
  c.addEventListener("wheel", (e) => {
    e.preventDefault();
    zoom(e.deltaY > 0 ? 1.25 : .8, Math.min(1, Math.max(0, (e.offsetX - labels) / (c.clientWidth - labels - 10))));
  }, { passive: false });
  c.addEventListener("pointerdown", (e) => { drag = e.offsetX; c.setPointerCapture(e.pointerId); });
  c.addEventListener("pointerup", () => { drag = null; });
  c.addEventListener("pointermove", (e) => {
    if (drag != null) { pan((drag - e.offsetX) / (c.clientWidth - labels)); drag = e.offsetX; return; }
    const hit = state.tl.boxes?.findLast(([a, y, b, z]) => e.offsetX >= a && e.offsetX <= b && e.offsetY >= y && e.offsetY < z);
    const tip = $("tip");
    tip.hidden = !hit;
    if (!hit) return;
    const r = hit[4];
    tip.textContent = [`${r.t || ""} ${r.k === "step ended" ? "step" : r.k}`.trim() + (r.d ? `, ${duration(r.d)}` : ""), r.by && `woken by ${r.by}`, r.w && (r.k === "step ended" ? `then awaits ${r.w}` : r.w), r.e && `error: ${r.e}`].filter(Boolean).join("\n");
    tip.style.left = Math.min(e.clientX + 14, innerWidth - 300) + "px";
    tip.style.top = e.clientY + 14 + "px";
  });
  c.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  c.addEventListener("keydown", (e) => {
    const act = { ArrowLeft: () => pan(-.2), ArrowRight: () => pan(.2), "+": () => zoom(.6), "=": () => zoom(.6), "-": () => zoom(1.6), f: () => { fitTimeline(); drawTimeline(); } }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  $("tl-fit").onclick = () => { fitTimeline(); drawTimeline(); };
  $("tl-in").onclick = () => zoom(.6);
  $("tl-out").onclick = () => zoom(1.6);
  $("tl-loop").onchange = () => { state.tl.fit = true; loadTimeline(); };
}

// ---- pages of other packages

function drawExtra(rows) {
  const names = [...new Set(rows.flatMap((r) => Object.keys(r)))];
  const cell = (v) => v == null ? "" : typeof v === "object" ? JSON.stringify(v) : String(v);
  $("extra").replaceChildren(el("div", { class: "card" }, el("h3", {}, state.extra),
    el("table", {}, el("tr", {}, ...names.map((n) => el("th", {}, n))), ...rows.map((r) => el("tr", {}, ...names.map((n) => el("td", {}, cell(r[n]))))))));
}

// ---- the loop of the page

async function refresh() {
  try {
    if (state.view === "tasks" || state.view === "graph") {
      state.tasks = await get("api/tasks");
      state.byKey = new Map(state.tasks.map((t) => [key(t), t]));
      if (state.view === "tasks") arrange(); else drawGraph();
    } else if (state.view === "resources") {
      const [tasks, list] = await Promise.all([get("api/tasks"), get("api/resources")]);
      state.byKey = new Map(tasks.map((t) => [key(t), t]));
      state.resources = list;
      drawResources(list);
    } else if (state.view === "health") drawHealth(await get("api/health"));
    else if (state.view === "timeline") await loadTimeline();
    else drawExtra(await get("api/page/" + encodeURIComponent(state.extra)) ?? []);
    document.body.dataset.ready = state.view;
  } catch (e) {
    $("count").textContent = "The program does not answer: " + e.message;
  }
}

function live() {
  if (saved) {
    state.overview = saved["api/overview"];
    for (const id of ["pause", "save", "tl-file"]) $(id).hidden = true;
    drawTabs();
    drawLoops();
    refresh();
    return;
  }
  const source = new EventSource("api/events");
  source.onmessage = (m) => {
    if (state.paused) return;
    state.overview = JSON.parse(m.data);
    drawTabs();
    drawLoops();
    refresh();
  };
  source.onerror = () => { $("loops").replaceChildren(el("div", { class: "loop blocked" }, el("span", { class: "dot" }), "the program does not answer")); };
}

function pause() {
  state.paused = !state.paused;
  $("pause").textContent = state.paused ? "Resume" : "Pause";
  $("pause").setAttribute("aria-pressed", String(state.paused));
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  if (state.view === "timeline") drawTimeline();
}

document.addEventListener("keydown", (e) => {
  if (e.target.matches("input, select")) {
    if (["Escape", "Enter", "ArrowDown"].includes(e.key)) { // Escape clears the field as well
      e.target.blur();
      if (e.key !== "Escape") e.preventDefault();
    }
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const acts = {
    "/": () => { show("tasks"); $("filter").focus(); }, Escape: closeTask, t: theme, " ": pause,
    ArrowDown: () => state.view === "tasks" && choose(1), ArrowUp: () => state.view === "tasks" && choose(-1),
    PageDown: () => state.view === "tasks" && choose(20), PageUp: () => state.view === "tasks" && choose(-20),
    Enter: () => { const t = state.shown[state.chosen]; if (state.view === "tasks" && t && t.group == null && !e.target.matches("button")) openTask(t.loop, t.id); },
    1: () => show("tasks"), 2: () => show("graph"), 3: () => show("resources"), 4: () => show("health"), 5: () => show("timeline"),
  };
  if (e.target.matches("button, a") && (e.key === " " || e.key === "Enter")) return;
  if (e.target.id === "tl" && e.key.startsWith("Arrow")) return;
  if (acts[e.key]) { e.preventDefault(); acts[e.key](); }
});

$("filter").addEventListener("input", arrange);
$("res-filter").addEventListener("input", () => drawResources(state.resources ?? []));
$("group").addEventListener("change", arrange);
$("scroll").addEventListener("scroll", drawRows);
$("pause").onclick = pause;
$("theme").onclick = theme;
addEventListener("resize", () => { if (state.view === "tasks") drawRows(); if (state.view === "timeline") drawTimeline(); });
timelineEvents();
const wanted = decodeURIComponent(location.hash.slice(1));
if (wanted.startsWith("page=")) show("page", wanted.slice(5));
else show(views.some(([id]) => id === wanted) ? wanted : saved?.view ?? "tasks");
live();
