// The chat page: which conversation is open, and what its buttons and keys do.

import { asSent, blank, write } from "./answer.js";
import { servedModel, whenKeyIsGiven } from "./api.js";
import { Conversations } from "./conversations.js";
import { find, number, save, sentence, tell } from "./dom.js";
import { showList } from "./list.js";
import { refresh, showMessages } from "./messages.js";
import { chosenSettings, prepareSettings } from "./settings.js";

const SAVE_EVERY = 1000; // ms while an answer grows: leaving the page loses no more than that
const SPOKEN = 400; // characters of an answer that are read out to those who listen

const kept = new Conversations((words) => tell(find("storage-notice"), words), changedElsewhere);
const jobs = new Map(); // conversation -> AbortController of the answer that is being written
let model = null;
let open = null; // the conversation on the page
let editing = false;
let isLeaving = false; // the browser then ends answers as if the server had gone; what arrived is kept before
let deleted = null; // what Undo brings back
const gone = new WeakSet(); // what was deleted, though its answer may still be arriving

// ---- asking ---------------------------------------------------------------------------------------------------------

async function connect() {
  find("server-notice").hidden = true;
  try {
    model = await servedModel();
    find("model").textContent = model.id;
    showContext();
  } catch (problem) {
    if (problem.status !== 401) serverSays(problem.message);
  }
}

function serverSays(words) {
  find("server-notice").hidden = false;
  find("server-words").textContent = words;
}

async function send() {
  const text = find("prompt").value;
  if (!text.trim() || jobs.has(open)) return;
  if (model === null) await connect();
  if (model === null) return;
  if (editing) open.messages.splice(lastQuestion());
  open.title ||= text.trim().replace(/\s+/g, " ").slice(0, 48);
  open.messages.push({ role: "user", content: text });
  find("prompt").value = "";
  stopEditing();
  await answer(open);
}

/** Ask for the next answer. before: the answer in whose place it comes, which returns if nothing arrives. */
async function answer(conversation, before = null) {
  const message = blank();
  const controller = new AbortController();
  const body = { model: model.id, messages: asSent(conversation.messages), ...chosenSettings() };
  conversation.messages.push(message);
  jobs.set(conversation, controller);
  keep(conversation);
  show(conversation);
  toEnd();
  say("The model is writing.");

  let saved = performance.now();
  await write(message, body, controller.signal, () => {
    if (performance.now() - saved > SAVE_EVERY) {
      keep(conversation);
      saved = performance.now();
    }
    if (conversation === open) growLast(message);
  });

  jobs.delete(conversation);
  if (before && !message.content && !message.thoughts) {
    conversation.messages.splice(-1, 1, { ...before, note: `${sentence(message.note)} This is the earlier answer.` });
  }
  keep(conversation);
  if (conversation === open) {
    const wasAtEnd = isAtEnd();
    show(conversation);
    if (wasAtEnd) toEnd();
  } else listAll();
  const spoken = message.content.length <= SPOKEN ? message.content : "";
  say(message.state === "done" ? `The answer is complete. ${spoken}` : message.note);
}

function keep(conversation) {
  if (!isLeaving && !gone.has(conversation)) kept.save(conversation);
}

const isAnswer = (message) => message?.role === "assistant";
const lastQuestion = () => open.messages.findLastIndex((message) => message.role === "user");

async function regenerate() {
  if (jobs.has(open)) return;
  if (model === null) await connect();
  if (model === null) return;
  const before = isAnswer(open.messages.at(-1)) ? open.messages.pop() : null;
  answer(open, before);
  find("prompt").focus();
}

function edit() {
  editing = true;
  find("editing").hidden = false;
  find("prompt").value = open.messages[lastQuestion()].content;
  find("prompt").focus();
}

function stopEditing() {
  editing = false;
  find("editing").hidden = true;
}

function stop() {
  jobs.get(open)?.abort();
  find("prompt").focus();
}

// ---- what is on the page --------------------------------------------------------------------------------------------

function show(conversation) {
  open = conversation;
  const { messages } = conversation;
  find("welcome").hidden = messages.length > 0;
  find("title-bar").hidden = messages.length === 0;
  if (document.activeElement !== find("title")) find("title").value = conversation.title;
  showMessages(find("messages"), messages, actionsOf);
  find("send").hidden = jobs.has(conversation);
  find("stop").hidden = !jobs.has(conversation);
  document.title = `${conversation.title || "Chat"} - llaisys_mini`;
  history.replaceState(null, "", messages.length ? `#${conversation.id}` : location.pathname);
  showContext();
  listAll();
}

function actionsOf(message, place) {
  const actions = [];
  if (navigator.clipboard && message.content) actions.push(["Copy", () => copy(message.content)]);
  if (jobs.has(open)) return actions;
  const isLast = place === open.messages.length - 1;
  if (isLast) actions.push([message.state === "failed" || !isAnswer(message) ? "Try again" : "Regenerate", regenerate]);
  if (place === lastQuestion()) actions.push(["Edit", edit]);
  return actions;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not let this page copy.");
  }
}

function growLast(message) {
  const wasAtEnd = isAtEnd();
  refresh(message);
  if (wasAtEnd) toEnd();
}

const isAtEnd = () => find("scroll").scrollHeight - find("scroll").scrollTop - find("scroll").clientHeight < 60;
const toEnd = () => find("scroll").scrollTo(0, find("scroll").scrollHeight);
const say = (words) => (find("status").textContent = words);

function showContext() {
  const total = open?.messages.findLast((message) => message.total)?.total;
  find("context").hidden = !total || model === null;
  if (find("context").hidden) return;
  find("used").max = model.max_model_len;
  find("used").value = total;
  find("used-words").textContent = `${number(total)} of ${number(model.max_model_len)} tokens`;
}

// ---- the list of conversations --------------------------------------------------------------------------------------

const listAll = () => showList(kept, open, { choose, forget });

function choose(conversation) {
  stopEditing();
  unfold("list", false);
  show(conversation);
  toEnd();
  find("prompt").focus();
}

function forget(id) {
  const conversation = kept.get(id);
  jobs.get(conversation)?.abort();
  if (conversation) gone.add(conversation);
  kept.remove(id);
  deleted = conversation;
  find("deleted").hidden = !conversation;
  if (conversation) find("deleted-words").textContent = `“${conversation.title}” is deleted.`;
  if (id === open.id) show(kept.create());
  else listAll();
  find(conversation ? "undo" : "new").focus();
}

function undo() {
  find("deleted").hidden = true;
  const conversation = deleted;
  deleted = null;
  gone.delete(conversation);
  kept.save(conversation);
  choose(conversation);
}

/** Another tab has saved or deleted a conversation. One that is open here stays so, and its next message saves it. */
function changedElsewhere(id) {
  const conversation = kept.get(id);
  if (id === open.id && conversation && !jobs.has(open)) show(conversation);
  else listAll();
}

// ---- keys and buttons -----------------------------------------------------------------------------------------------

/** Show or hide the list (on a narrow page) or the settings; the focus goes along. */
function unfold(name, wanted, focus = null) {
  const opener = find(`show-${name}`);
  const isOpen = opener.getAttribute("aria-expanded") === "true";
  if (isOpen === wanted) return;
  opener.setAttribute("aria-expanded", wanted);
  if (name === "list") find("list").classList.toggle("unfolded", wanted);
  else find("settings").hidden = !wanted;
  if (focus) focus.focus();
}

for (const [name, first, other] of [["list", "new", "settings"], ["settings", "temperature", "list"]]) {
  find(`show-${name}`).onclick = (event) => {
    const wanted = event.currentTarget.getAttribute("aria-expanded") !== "true";
    unfold(other, false);
    unfold(name, wanted, wanted ? find(first) : null);
  };
}

find("composer").onsubmit = (event) => {
  event.preventDefault();
  send();
};
find("prompt").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
};
document.onkeydown = (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  if (jobs.has(open)) stop();
  else if (editing) find("cancel-edit").click();
  else for (const name of ["list", "settings"]) unfold(name, false, find(`show-${name}`));
};
find("cancel-edit").onclick = () => {
  stopEditing();
  find("prompt").value = "";
  find("prompt").focus();
};
find("stop").onclick = stop;
find("again").onclick = connect;
find("undo").onclick = undo;
find("new").onclick = () => choose(kept.create());
find("save-file").onclick = () => save(`${open.title || "conversation"}.json`, JSON.stringify(open, null, 1));
find("title").onchange = () => {
  open.title = find("title").value = find("title").value.trim() || open.title;
  kept.save(open);
  show(open);
};
addEventListener("hashchange", () => {
  const conversation = kept.get(location.hash.slice(1));
  if (conversation && conversation !== open) choose(conversation);
});
addEventListener("pagehide", () => {
  jobs.forEach((_, conversation) => keep(conversation));
  isLeaving = true;
});
addEventListener("pageshow", () => (isLeaving = false));
addEventListener("beforeunload", (event) => {
  if (kept.hasUnsaved) event.preventDefault();
});

prepareSettings();
whenKeyIsGiven(connect);
show(kept.get(location.hash.slice(1)) ?? kept.create());
toEnd();
find("prompt").focus();
connect();
