/** The picture of the loop: five stages in the order of the flow, which screen readers read as a list. */

import { el } from "../shell.js";
import { svg } from "../parts.js";

const HEALTH = { serving: ["good", "up"], waiting: ["warn", "waiting"], down: ["bad", "down"] };
const DOES = {
  recorder: "Voices land, each take checked",
  ingest: "Takes and corpora become a dataset",
  trainer: "A recogniser learns from scratch",
  optimizer: "Made small, measured, judged",
  inference: "Turns speech into text",
};
// Paths in a box of 24 by 24.
const ICONS = {
  recorder: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3M6 11a6 6 0 0 0 12 0M12 17v4M9 21h6",
  ingest: "M12 3l9 4-9 4-9-4zM3 12l9 4 9-4M3 17l9 4 9-4",
  trainer: "M3 3v18h18M6 7c2 8 6 10 14 10",
  optimizer: "M12 4v16M7 20h10M5 8h14M5 8l-3 6h6zM19 8l-3 6h6z",
  inference: "M4 5h16v11H10l-5 4v-4H4zM8 9h8M8 12h5",
};

const NAMES = {
  takes: "recordings",
  policy: "what the next training waits for",
  runs: "trainings",
  serving: "what is served",
  dataset: "the newest dataset",
  models: "models",
};

export function flow(stages) {
  const back = el(
    "p",
    { class: "back soft", "aria-hidden": "true" },
    el("span", {}, "and round again with every recording"),
  );
  return el(
    "div",
    {},
    el("ol", { class: "flow", "aria-label": "The loop, stage by stage" }, ...stages.map(stage)),
    back,
  );
}

function stage({ service, name, state, busy, fault, figure, told, share }) {
  const [kind, word] = HEALTH[state];
  const icon = svg(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" },
    svg("path", { d: ICONS[service] }),
  );
  const head = el(
    "div",
    { class: "row spread" },
    el("h2", {}, icon, name),
    el("span", { class: `lamp ${kind}` }, word),
  );
  const children = [
    head,
    el("p", { class: "soft does" }, DOES[service]),
    el("p", { class: `figure ${fault ? "bad" : ""} ${figure.length > 18 ? "long" : ""}` }, figure),
  ];
  if (share !== undefined)
    children.push(el("progress", { max: 1, value: share, "aria-label": `${name}: ${Math.round(100 * share)} %` }));
  children.push(el("ul", { class: "told soft" }, ...told.map((line) => el("li", {}, line))));
  const doing = busy && state !== "down" ? el("span", { class: "unseen" }, "at work") : null;
  return el("li", { class: `stage ${busy ? "busy" : ""} ${state}`, "data-stage": service }, ...children, doing);
}

/** What to do about services that do not answer; nothing if all do. */
export function troubles(loop) {
  if (loop.offline)
    return [trouble("The studio does not answer", `${loop.offline} This page asks again every few seconds.`)];
  const down = Object.keys(loop.health).filter((name) => loop.health[name] === "down");
  const lost = down.map((name) =>
    trouble(
      `The ${name} service is down`,
      `${since(loop.heard[name])} Start it with voxloom up, or docker compose up ${name}; its log says why it ended. Nothing that is stored is lost, and unfinished work goes on when it is back.`,
    ),
  );
  const faults = Object.entries(loop.faults).filter(
    ([, message]) => message && !down.some((name) => message.includes(`${name} service`)),
  );
  return [...lost, ...faults.map(([name, message]) => trouble(`Not known: ${NAMES[name]}`, message))];
}

const trouble = (title, text) => el("div", { class: "box bad" }, el("strong", {}, title), el("p", {}, text));

const since = (heard) =>
  heard
    ? `What this page shows of it is from ${new Date(heard).toLocaleTimeString("en-GB")}.`
    : "Nothing is known of it yet.";
