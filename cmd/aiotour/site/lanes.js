// Draws the timeline: a lane for each task, a box for each of its steps, and an arrow from
// the step that made another one ready. The labels and the boxes are two pictures, so that
// the boxes can be scrolled.
const ns = "http://www.w3.org/2000/svg";

function svg(name, attributes, text) {
  const e = document.createElementNS(ns, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

export function lanes(frames) {
  const steps = frames.slice(1).map((f) => f.last);
  // Events that have happened share one lane, as do the callbacks of the loop.
  const lane = new Map(), names = [];
  const laneOf = (s) => {
    const name = s.task < 0 ? "the loop" : s.name.startsWith("event: ") ? "events" : s.name;
    const key = s.task < 0 || name === "events" ? name : `${s.task} ${name}`;
    if (!lane.has(key)) { lane.set(key, names.length); names.push(name); }
    return lane.get(key);
  };
  for (const s of steps) laneOf(s);
  const h = 26, w = 34, left = 0, top = 18;
  const width = left + Math.max(steps.length, 8) * w + 10, height = top + Math.max(names.length, 1) * h + 4;
  const out = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
  out.append(svg("title", {}, steps.map((s, i) => `step ${i + 1}: ${s.name}${s.how ? " " + s.how : ""}`).join("; ") || "No step has run."));
  // The labels stay where they are when the boxes are scrolled.
  const labels = svg("svg", { width: 112, height, class: "labels", "aria-hidden": "true" });
  names.forEach((name, i) => {
    const y = top + i * h + h / 2;
    out.append(svg("line", { class: "lane", x1: left, x2: width, y1: y, y2: y }));
    const label = svg("text", { x: 2, y: y + 4 }, name.length > 16 ? name.slice(0, 15) + "…" : name);
    label.append(svg("title", {}, name));
    labels.append(label);
  });
  const x = (i) => left + i * w + 4, y = (i) => top + laneOf(steps[i]) * h + 4;
  steps.forEach((s, i) => {
    if (s.by >= 0 && s.by < i && laneOf(steps[s.by]) !== laneOf(s)) {
      const x1 = x(s.by) + w - 12, y1 = y(s.by) + 9, x2 = x(i) + 6, y2 = y(i) + (y(i) > y(s.by) ? 0 : 18);
      const d = y(i) > y(s.by) ? -4 : 4;
      out.append(svg("path", { d: `M${x1} ${y1} C${x1 + 14} ${y1} ${x2} ${y2 + 3 * d} ${x2} ${y2} m-3 ${d} l3 ${-d} l3 ${d}` }));
    }
  });
  steps.forEach((s, i) => {
    const kind = s.task < 0 || s.name.startsWith("event: ") ? "event" : s.how.startsWith("is done") ? "end-done" : s.how.startsWith("fails") ? "end-failed" : s.how.startsWith("is cancelled") ? "end-cancelled" : "";
    const rect = svg("rect", { x: x(i), y: y(i), width: w - 10, height: 18, class: `${kind} ${i === steps.length - 1 ? "last" : ""}` });
    rect.append(svg("title", {}, `step ${i + 1}: ${s.name}${s.how ? " " + s.how : ""}`));
    out.append(rect, svg("text", { class: "tick", x: x(i) + 6, y: 12 }, String(i + 1)));
  });
  const box = document.createElement("div");
  box.className = "boxes";
  box.append(out);
  return [labels, box];
}
