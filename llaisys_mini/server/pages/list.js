// The list of conversations: those that can be read, the one changed last first, then those that cannot.

import { button, find, make, save } from "./dom.js";

/** kept: Conversations. choose(conversation) opens one, forget(id) deletes one. What has the focus keeps it. */
export function showList(kept, open, { choose, forget }) {
  const list = find("conversations");
  const focused = document.activeElement?.closest("#conversations li")?.dataset.id;
  const entry = (id, title, chosen) => {
    const current = id === open.id ? { "aria-current": "true" } : {};
    const name = button(title, chosen, { className: "name", title, ...current });
    const remove = button("×", () => forget(id), { className: "small", "aria-label": `Delete ${title}`, title: "Delete" });
    const item = make("li", {}, name, remove);
    item.dataset.id = id;
    return item;
  };
  list.replaceChildren(
    ...kept.all.map((conversation) => entry(conversation.id, conversation.title || "Untitled", () => choose(conversation))),
    ...kept.unreadable.map(([id, raw]) => entry(id, "(cannot be read: save it as a file)", () => save(`${id}.txt`, raw))),
  );
  if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.focus();
}
