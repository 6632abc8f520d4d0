import { find, start, el } from "./shell.js";

start(async () => {
  find("#main").replaceChildren(el("h1", {}, "Record"));
});
