// The engine page: listens to the engine's steps and shows one of them, with those before it.

import { call, events, whenKeyIsGiven } from "./api.js";
import { demo } from "./demo.js";
import { find, number, sentence } from "./dom.js";
import { columnsIn, drawSteps, wordsOf } from "./picture.js";
import { drawNumbers, drawPages, drawRequests } from "./pool.js";
import { Steps } from "./steps.js";

const DRAW_EVERY = 150; // ms: the engine needs the processor more than this page does
const PLAY_EVERY = 100; // ms for a step that is played
const TRY_AGAIN = 3000; // ms

const steps = new Steps();
let isStale = false; // what is shown differs from what is drawn
let running = null; // AbortController of the demo

// ---- listening ------------------------------------------------------------------------------------------------------

async function listen() {
  try {
    const response = await call("/engine/steps");
    find("connection").textContent = "listening to the engine";
    for await (const step of events(response)) {
      steps.add(step);
      isStale ||= steps.mode === "following" || steps.all.length === 1;
    }
  } catch (problem) {
    find("connection").textContent = problem.status === 401 ? problem.message : `${sentence(problem.message)} Trying again.`;
    if (problem.status !== 401) setTimeout(listen, TRY_AGAIN);
  }
}

// ---- drawing --------------------------------------------------------------------------------------------------------

function refresh() {
  const step = steps.shown;
  find("step").max = Math.max(0, steps.all.length - 1);
  find("step").value = steps.at;
  showMode();
  if (!isStale || document.hidden || !step) return;
  isStale = false;
  find("nothing").hidden = true;
  find("shown").hidden = false;
  drawNumbers(step);
  drawSteps(find("picture"), steps.window(columnsIn(find("picture").clientWidth)));
  find("step-words").textContent = wordsOf(step);
  drawPages(step);
  drawRequests(step);
  find("step").setAttribute("aria-valuetext", `step ${step.step}`);
}

function showMode() {
  const behind = steps.all.length - 1 - steps.at;
  const words = { following: "shows the newest step", playing: `plays, ${1000 / PLAY_EVERY} steps a second`, paused: "paused" };
  find("mode").textContent = !steps.all.length ? "" : words[steps.mode] + (behind > 0 ? `, ${number(behind)} behind the newest` : "");
  find("play").textContent = steps.mode === "paused" ? "Play" : "Pause";
  find("back").disabled = steps.at <= 0;
  find("on").disabled = find("newest").disabled = steps.isNewest;
}

function change(act) {
  if (!steps.all.length) return;
  act();
  isStale = true;
  refresh();
}

// ---- the demo -------------------------------------------------------------------------------------------------------

async function startDemo() {
  running = new AbortController();
  find("demo").textContent = "Stop the demo";
  find("demo-words").textContent = "The demo runs. Its steps are played slowly; Newest leaps to where the engine is.";
  if (steps.all.length) steps.at = steps.all.length - 1;
  steps.mode = "playing";
  try {
    await demo(running.signal);
    find("demo-words").textContent = "The eight texts are written. Step back to see how.";
  } catch (problem) {
    find("demo-words").textContent = problem.name === "AbortError" ? "The demo was stopped." : problem.message;
  }
  running?.abort(); // where one request has failed, the others end too
  running = null;
  find("demo").textContent = "Start a demo of eight texts";
}

// ---- buttons --------------------------------------------------------------------------------------------------------

find("demo").onclick = () => (running ? running.abort() : startDemo());
find("back").onclick = () => change(() => steps.goTo(steps.at - 1));
find("on").onclick = () => change(() => steps.goTo(steps.at + 1));
find("newest").onclick = () => change(() => steps.follow());
find("play").onclick = () => change(() => (steps.mode === "paused" ? steps.play() : steps.goTo(steps.at)));
find("step").oninput = () => change(() => steps.goTo(Number(find("step").value)));
find("picture").onclick = (event) => {
  const chosen = event.target.closest(".column");
  if (chosen) change(() => steps.goTo(steps.all.findIndex((step) => step.step === Number(chosen.dataset.step))));
};
new ResizeObserver(() => (isStale = true)).observe(find("picture"));

setInterval(refresh, DRAW_EVERY);
setInterval(() => {
  if (steps.mode !== "playing") return;
  if (steps.isNewest && !running) steps.follow();
  else steps.playOn();
  isStale = true;
  refresh();
}, PLAY_EVERY);
whenKeyIsGiven(listen);
showMode();
listen();
