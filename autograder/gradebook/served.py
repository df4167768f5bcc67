"""The content policy of formgrader's page of a submission: only the scripts of the page itself run.

The page is rendered once without any submission. What scripts that holds are the ones that may run, by their digest or
address; a script that came with a submission has another digest, and the browser does not run it. answers.py keeps such
scripts out in the first place.

nbgrader_config.py installs this; nbgrader has no setting for it.
"""

import base64
import copy
import hashlib
import html
import re
import sys

import nbformat

from autograder.gradebook import mathjax

_HANDLERS = "nbgrader.server_extensions.formgrader.handlers"


def install() -> None:
    """Send the policy with every page of a submission that formgrader serves from this process, if it serves any."""
    handlers = sys.modules.get(_HANDLERS)
    if handlers is None or hasattr(handlers.SubmissionHandler, "own_exporter"):
        return

    class WithPolicy:
        """The exporter of one request, which also sets the policy of its answer, and where MathJax comes from."""

        def __init__(self, exporter, handler):
            self.exporter, self.handler = exporter, handler

        def from_filename(self, filename, resources=None, **options):
            mathjax.take_from(self.exporter, self.handler.settings)
            empty = nbformat.v4.new_notebook()
            page, _ = self.exporter.from_notebook_node(empty, resources=copy.deepcopy(resources))
            origin = f"{self.handler.request.protocol}://{self.handler.request.host}"
            self.handler.set_header("Content-Security-Policy", policy(page, origin))
            return self.exporter.from_filename(filename, resources=resources, **options)

    handlers.SubmissionHandler.own_exporter = handlers.SubmissionHandler.exporter
    handlers.SubmissionHandler.exporter = property(lambda handler: WithPolicy(handler.own_exporter, handler))


def policy(page: str, origin: str) -> str:
    """The policy under which the scripts of `page`, and no others, run. origin: of the server, such as
    http://localhost:8888."""
    inline, addresses = [], []
    for head, body in re.findall(r"<script\b([^>]*)>(.*?)</script>", page, re.DOTALL | re.IGNORECASE):
        source = re.search(r"\bsrc=[\"']([^\"']+)", head)
        if source is None:
            inline.append(body)
        else:
            address = html.unescape(source[1]).partition("?")[0].rpartition("/")[0] + "/"
            addresses.append(address if "://" in address else origin + address)
    inline += [html.unescape(code) for code in re.findall(r"\son\w+=\"([^\"]*)\"", page)]
    scripts = [*map(_digest, dict.fromkeys(inline)), *dict.fromkeys(addresses)]
    return "; ".join(
        [
            "default-src 'self'",
            # Handlers such as onclick go by their digest too. underscore and MathJax make functions of text.
            " ".join(["script-src", "'unsafe-hashes'", "'unsafe-eval'", *scripts]),
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )


def _digest(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
