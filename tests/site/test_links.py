"""What counts as a dead link of the built site."""

import pytest

from docs.site.links import problems


@pytest.fixture
def site(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "index.html").write_text('<a href="deep/page.html#here">a</a><img src="data:image/png;base64,AA">')
    (tmp_path / "deep" / "page.html").write_text(
        '<h2 id="here">b</h2><a href="../index.html">c</a><a href="#here">d</a>'
    )
    return tmp_path


def test_a_sound_site_has_no_problem(site):
    assert problems(site) == []


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html: no such file"),
        ('<a href="deep/">x</a>', "index.html: deep/: no such file"),
        ('<a href="deep/page.html#gone">x</a>', "index.html: deep/page.html#gone: no such place on that page"),
        ('<a href="#gone">x</a>', "index.html: #gone: no such place on that page"),
        ('<a href="../up.html">x</a>', "index.html: ../up.html: leads out of the site"),
        ('<img src="gone.png">', "index.html: gone.png: no such file"),
        ('<script src="https://a.org/x.js"></script>', "index.html: https://a.org/x.js: is fetched from elsewhere"),
        ('<link href="//a.org/x.css">', "index.html: //a.org/x.css: is fetched from elsewhere"),
        ('<a href="https://a.org/">x</a><a href="mailto:a@a.org">y</a>', None),
    ],
)  # fmt: skip
def test_each_kind_of_dead_link_is_told(site, html, problem):
    (site / "index.html").write_text(html)
    assert problems(site) == ([problem] if problem else [])
