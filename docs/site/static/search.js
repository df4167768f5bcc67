// Excerpts below search results are text alone: a formula that a page draws would stand there as TeX.
if (typeof Search !== "undefined") {
  const textOf = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const formula of page.querySelectorAll(".math")) {
      const tex = formula.textContent.trim().replace(/^\\[([]|\\[)\]]$/g, "").trim();
      formula.textContent = formula.matches("div") || /[\\^_{]/.test(tex) ? "…" : tex;
    }
    return textOf(page.documentElement.outerHTML, anchor);
  };
}
