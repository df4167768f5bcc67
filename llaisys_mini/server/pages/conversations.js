// Conversations in the browser's localStorage, each under a key of its own, so that one that is broken, too large or
// open in another tab harms no other. Nothing that cannot be kept or read is thrown away: it stays in this tab, or as
// it is in the storage, and the reader is told.
//
// A conversation: {id, title, changed, revision, messages}. A message: {role, content, thoughts?, state?, ...}, see
// answer.js. revision counts how often it was saved.

const PREFIX = "llaisys_mini.conversation.";

export class Conversations {
  /** told(text): what the reader has to know, "" for nothing. changed(id): another tab has changed a conversation. */
  constructor(told, changed) {
    this._told = told;
    this._held = new Map(); // id -> conversation
    this._unreadable = new Map(); // id -> what stands there
    this._unsaved = new Map(); // id -> why
    try {
      for (const name of Object.keys(localStorage)) {
        if (name.startsWith(PREFIX)) this._load(name.slice(PREFIX.length));
      }
    } catch (problem) {
      this._told(`This browser keeps nothing for this page (${problem.message}): save what you need as a file.`);
    }
    addEventListener("storage", (event) => {
      const id = event.key?.startsWith(PREFIX) ? event.key.slice(PREFIX.length) : null;
      if (id === null || this._unsaved.has(id)) return;
      if (event.newValue === null) this._held.delete(id);
      else this._load(id);
      changed(id);
    });
  }

  _load(id) {
    const raw = localStorage.getItem(PREFIX + id);
    const conversation = parsed(raw);
    if (conversation) this._held.set(id, { ...conversation, id });
    else this._unreadable.set(id, raw);
  }

  /** All that can be read, the one changed last first. */
  get all() {
    return [...this._held.values()].sort((a, b) => b.changed - a.changed);
  }

  /** [id, what stands in the storage] of those that cannot be read. */
  get unreadable() {
    return [...this._unreadable];
  }

  get hasUnsaved() {
    return this._unsaved.size > 0;
  }

  get(id) {
    return this._held.get(id);
  }

  /** A new conversation. It is kept from its first message on. */
  create() {
    return { id: crypto.randomUUID?.() || `${Date.now()}-${Math.random()}`, title: "", changed: 0, revision: 0, messages: [] };
  }

  /** Keep a conversation. One that another tab has changed meanwhile becomes a copy, with an id of its own. */
  save(conversation) {
    conversation.changed = Date.now();
    this._held.set(conversation.id, conversation);
    try {
      const stored = parsed(localStorage.getItem(PREFIX + conversation.id));
      if (stored && stored.revision !== conversation.revision) {
        const { id } = conversation;
        conversation.id = this.create().id;
        conversation.title += " (copy)";
        this._held.set(conversation.id, conversation);
        this._load(id);
      }
      const next = { ...conversation, revision: conversation.revision + 1 };
      localStorage.setItem(PREFIX + conversation.id, JSON.stringify(next));
      conversation.revision += 1;
      this._unsaved.delete(conversation.id);
    } catch (problem) {
      const full = problem.name === "QuotaExceededError";
      this._unsaved.set(conversation.id, full ? "its storage is full" : problem.message);
    }
    this._warn();
  }

  /** Forget a conversation, or something unreadable. */
  remove(id) {
    this._held.delete(id);
    this._unreadable.delete(id);
    this._unsaved.delete(id);
    try {
      localStorage.removeItem(PREFIX + id);
    } catch {
      // nothing was kept
    }
    for (const other of this._unsaved.keys()) this.save(this._held.get(other)); // there may be room now
    this._warn();
  }

  _warn() {
    if (!this.hasUnsaved) return this._told("");
    const titles = [...this._unsaved.keys()].map((id) => `“${this._held.get(id).title}”`).join(", ");
    const [why] = this._unsaved.values();
    this._told(
      `The browser could not keep ${titles}: ${why}. What is new there lives in this tab only: ` +
        `save it as a file, or delete other conversations to make room.`,
    );
  }
}

function parsed(raw) {
  try {
    const content = JSON.parse(raw);
    const isMessage = (m) => typeof m.role === "string" && typeof m.content === "string";
    if (!Array.isArray(content.messages) || !content.messages.every(isMessage)) return null;
    for (const message of content.messages) {
      if (message.state !== "writing") continue;
      message.state = "stopped";
      message.note = "The page was left while this was being written.";
    }
    return {
      ...content,
      title: String(content.title ?? ""),
      changed: Number(content.changed) || 0,
      revision: Number(content.revision) || 0,
    };
  } catch {
    return null;
  }
}
