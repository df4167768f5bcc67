// The messages of a conversation on the page. An answer that grows only gets the text that is new.

import { button, make, tell } from "./dom.js";

const elements = new WeakMap(); // message -> its element, which stays the same: what is open or in focus stays so

/** Show these messages in a list. actionsOf(message, place): [words, function] of its buttons. */
export function showMessages(list, messages, actionsOf) {
  messages.forEach((message, place) => {
    if (!elements.has(message)) elements.set(message, drawn(message));
    const item = elements.get(message);
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
    setActions(item.querySelector(".actions"), actionsOf(message, place));
    refresh(message);
  });
  while (list.childElementCount > messages.length) list.lastElementChild.remove();
}

function drawn(message) {
  const isUser = message.role === "user";
  const item = make("li", { className: `message ${isUser ? "user" : "model"}` });
  item.append(make("h2", { textContent: isUser ? "You" : message.role === "assistant" ? "Model" : message.role }));
  if (!isUser) {
    const thoughts = make("div", { className: "text" }, "");
    item.append(make("details", { className: "thoughts" }, make("summary", { textContent: "Thoughts" }), thoughts));
  }
  item.append(make("div", { className: "text said" }, ""));
  item.append(make("p", { className: "note" }), make("p", { className: "stats hint" }), make("div", { className: "actions" }));
  return item;
}

function setActions(element, actions) {
  const words = actions.map(([text]) => text).join();
  if (element.dataset.words === words) return;
  element.dataset.words = words;
  element.replaceChildren(...actions.map(([text, act]) => button(text, act, { className: "small" })));
}

/** Bring the element of a message up to it. */
export function refresh(message) {
  const item = elements.get(message);
  const { state = "done", thoughts = "", content, note, stats } = message;
  const fold = item.querySelector(".thoughts");
  if (fold) {
    fold.hidden = !thoughts;
    grow(fold.querySelector(".text"), thoughts.trimEnd());
  }
  const isEmpty = state === "writing" && !content;
  item.querySelector(".said").classList.toggle("waits", isEmpty);
  item.querySelector(".said").hidden = !isEmpty && !content;
  grow(item.querySelector(".said"), isEmpty ? (thoughts ? "thinking …" : "waiting …") : content);
  item.querySelector(".note").classList.toggle("bad", state === "failed");
  tell(item.querySelector(".note"), note);
  tell(item.querySelector(".stats"), stats);
  item.querySelector(".actions").hidden = state === "writing";
}

function grow(element, text) {
  const shown = element.textContent;
  if (text === shown) return;
  if (shown && text.startsWith(shown)) element.firstChild.appendData(text.slice(shown.length));
  else element.replaceChildren(document.createTextNode(text));
}
