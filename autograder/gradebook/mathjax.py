"""Formulas on nbgrader's pages without a network.

nbgrader's templates fetch MathJax from a public server, and have no setting for another place. Here the template that
they take it from is replaced: formgrader's pages take the copy that jupyter-server-mathjax serves beside them
(MathJax 2.7, Apache-2.0). A page that is a file by itself has no script; its formulas are pictures (formulas.py).
"""

from jinja2 import DictLoader
from nbconvert.exporters import HTMLExporter
from traitlets import default

_NAME = "mathjax.html.j2"  # of nbconvert's template, which defines the macro `mathjax`
_FROM = """{%- macro mathjax(url="") -%}
<script type="text/x-mathjax-config">
MathJax.Hub.Config({
  tex2jax: {
    inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]],
    displayMath: [["$$", "$$"], ["\\\\[", "\\\\]"]],
    processEscapes: true,
    processEnvironments: true
  },
  TeX: {equationNumbers: {autoNumber: "AMS", useLabelIds: true}},
  "HTML-CSS": {availableFonts: [], preferredFont: null, imageFont: null, webFont: "STIX-Web"},
  messageStyle: "none"
});
</script>
<script src="ADDRESS"></script>
{%- endmacro %}"""  # STIX-Web is the one font that the copy comes with
_NOTHING = """{% macro mathjax(url="") %}{% endmacro %}"""


def take_from(exporter: HTMLExporter, settings: dict) -> None:
    """Let the pages of `exporter` take MathJax from the server that serves them. settings: of that server, in which
    jupyter-server-mathjax tells its address; where it does not run, pages have no MathJax."""
    address, kind = settings.get("mathjax_url", ""), settings.get("mathjax_config", "TeX-AMS-MML_HTMLorMML-full,Safe")
    text = _FROM.replace("ADDRESS", f"{address}?config={kind}") if address.startswith("/") else _NOTHING
    if [loader.mapping for loader in exporter.extra_loaders] != [{_NAME: text}]:
        exporter.extra_loaders = [DictLoader({_NAME: text})]


class PlainHTMLExporter(HTMLExporter):
    """Pages that are files by themselves, for `nbgrader generate_feedback`."""

    @default("extra_loaders")
    def _without_mathjax(self):
        return [DictLoader({_NAME: _NOTHING})]
