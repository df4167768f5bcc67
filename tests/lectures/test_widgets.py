"""Widgets: self-contained, with a picture and words where scripts do not run, and right in a real browser."""

import re

import numpy as np
import pytest

from llaisys_mini.lectures import theme, widgets
from tests.lectures import browser

every_widget = pytest.mark.parametrize("name", widgets.names())
in_a_browser = pytest.mark.skipif(browser.program() is None, reason="not run: no Chromium or Chrome here")

# Press a button, move a slider, choose: as a reader does, by the words on it.
HANDS = """
    const named = (selector, text) => [...root.querySelectorAll(selector)].find((e) => e.textContent.startsWith(text));
    const press = (text) => named("button", text).click();
    const move = (text, value) => {
        const slider = named("label", text).querySelector("input");
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
    };
    const choose = (text, index) => {
        const list = named("label", text).querySelector("select");
        list.selectedIndex = index;
        list.dispatchEvent(new Event("change"));
    };
    const words = () => root.querySelector("p").textContent.replaceAll("−", "-");
    const texts = () => [...root.querySelectorAll("svg text")].map((e) => e.textContent.replaceAll("−", "-"));
"""


def html(name: str) -> str:
    return widgets.Widget(name)._repr_mimebundle_()["text/html"]


@every_widget
def test_a_widget_needs_no_network_and_no_library(name):
    program = widgets.Widget(name).program
    assert set(re.findall(r"https?://[\w./]+", program)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"\b(import|require|fetch|XMLHttpRequest|eval)\b\s*\(?", re.sub(r"//.*|/\*.*?\*/", "", program)
    )
    assert "</script" not in program


@every_widget
def test_where_scripts_do_not_run_a_picture_with_words_stands(name):
    without_script = re.sub(r"<script>.*</script>", "", html(name), flags=re.DOTALL)
    (image,) = re.findall(r"<img[^>]*>", without_script)
    assert re.search(r'alt="[^"]{60,}"', image) and "data:image/svg+xml" in image
    assert theme.CARD in without_script


def test_an_unknown_widget_is_refused_and_the_known_ones_are_named():
    with pytest.raises(widgets.WidgetError, match="strides"):
        widgets.show("misspelt")


@in_a_browser
@every_widget
def test_the_picture_is_what_the_widget_draws_first(name):
    drawn = browser.still(name)
    assert drawn == widgets.Widget(name).still, "run `python -m tests.lectures.browser`"


@in_a_browser
@every_widget
def test_controls_are_named_and_reached_by_keyboard_and_text_stays_in_the_picture(name):
    found = browser.ask(
        name,
        HANDS
        + """
        const outside = [];
        const look = () => {
            const box = root.querySelector("svg").viewBox.baseVal;
            for (const text of root.querySelectorAll("svg text")) {
                const at = text.getBBox();
                if (at.x < 0 || at.y < 0 || at.x + at.width > box.width || at.y + at.height > box.height)
                    outside.push(text.textContent);
            }
        };
        const lists = [...root.querySelectorAll("select")], sliders = [...root.querySelectorAll("input")];
        for (const list of lists) for (let chosen = 0; chosen < list.options.length; chosen++) {
            list.selectedIndex = chosen;
            list.dispatchEvent(new Event("change"));
            look();
        }
        for (const slider of sliders) for (const end of [slider.min, slider.max]) {
            slider.value = end;
            slider.dispatchEvent(new Event("input"));
            look();
        }
        const controls = [...root.querySelectorAll("button, input, select, .handle")];
        const name = (e) => e.getAttribute("aria-label") ?? (e.closest("label") ?? e).textContent;
        return {
            outside, unnamed: controls.filter((e) => !name(e).trim()).length, controls: controls.length,
            unreachable: controls.filter((e) => { e.focus(); return root.activeElement !== e; }).length,
            focused: document.activeElement === host, keys: host.dataset.lmSuppressShortcuts,
        };
        """,
    )
    assert found["controls"] >= 3
    assert found == found | {"outside": [], "unnamed": 0, "unreachable": 0, "focused": True, "keys": "true"}


@in_a_browser
@pytest.mark.parametrize(
    ("body", "is_dark"),
    [("", False), ('data-jp-theme-light="true"', False), ('data-jp-theme-light="false"', True)],
)
def test_a_widget_turns_dark_where_the_page_is(body, is_dark):
    got = browser.ask("strides", "return getComputedStyle(host).filter;", body)
    assert got == (f"invert({theme.INVERSION}) hue-rotate(180deg)" if is_dark else "none")


@in_a_browser
def test_two_widgets_on_one_page_both_start_also_where_scripts_are_moved_as_vs_code_does():
    """VS Code runs the scripts of an output again, each at the end of that output."""
    moved = f"""
        <div id="output">{html("strides").replace("<script>", "<script type='text/plain'>")}</div>
        <script>
            const output = document.getElementById("output"), script = document.createElement("script");
            script.text = output.querySelector("script").textContent;
            output.append(script);
            document.title = [...document.querySelectorAll("[data-widget]")].map((e) => !!e.shadowRoot);
        </script>"""
    page = browser.dump(f'<!DOCTYPE html><meta charset="utf-8"><body>{html("strides")}{html("strides")}{moved}</body>')
    assert "<title>true,true,true</title>" in page


@in_a_browser
def test_the_perceptron_widget_follows_the_rule_to_the_end_and_its_handles_obey_keys():
    got = browser.ask(
        "perceptron",
        HANDS
        + """
        const first = words(), states = [];
        for (let n = 0; n < 100 && !words().includes("0 of 14"); n++) { press("One step"); states.push(texts()); }
        const end = words();
        press("Start again");
        const handle = root.querySelector(".handle"), before = texts();
        handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
        const moved = texts();
        press("Start again");
        press("Play");
        await wait(60 * 800);
        return { first, end, before, moved, played: words(), states };
        """,
        virtual_milliseconds=100_000,
    )
    assert got["first"].startswith("7 of 14")
    assert "0 of 14" in got["end"] and "0 of 14" in got["played"]
    assert got["moved"] != got["before"]
    w, b = np.array([-0.8, 1.1]), 0.4
    points = np.array(re.findall(r"\[(-?[\d.]+), (-?[\d.]+), (-?1)\]", widgets.Widget("perceptron").program), float)
    start = 0
    for state in got["states"]:
        wrong = [i % 14 for i in range(start, start + 14) if (points[i % 14, :2] @ w + b) * points[i % 14, 2] <= 0]
        x1, x2, y = points[wrong[0]]
        w, b, start = w + y * np.array([x1, x2]), b + y, wrong[0] + 1
        assert f"w = ({w[0]:.2f}, {w[1]:.2f})" in state and f"b = {b:.2f}" in state


@in_a_browser
def test_the_graph_widget_shows_the_gradients_that_finite_differences_give():
    found = browser.ask(
        "computational_graph",
        HANDS + "move('w', 0.7); move('x', -1.3); move('b', 0.2); move('step', 8); press('Next'); return words();",
    )

    def loss(w, x):
        return (1 / (1 + np.exp(-(w * x + 0.2))) - 1) ** 2

    by_w = (loss(0.7 + 1e-6, -1.3) - loss(0.7 - 1e-6, -1.3)) / 2e-6
    by_x = (loss(0.7, -1.3 + 1e-6) - loss(0.7, -1.3 - 1e-6)) / 2e-6
    assert [float(value) for value in re.findall(r"= (-?\d\.\d{3})\b", found)] == [
        pytest.approx(by_w, abs=6e-4),
        pytest.approx(by_x, abs=6e-4),
    ]


@in_a_browser
def test_the_folding_widget_counts_changes_and_coinciding_inputs_as_numpy_does():
    settings = [(0, 0.25, 0.3), (1, -0.5, 0.0), (2, 0.05, -0.62), (3, 0.25, 0.3), (4, 0.0, 1.0), (5, 0.95, -0.98)]
    found = browser.ask(
        "folding_layers",
        HANDS
        + f"""
        return {[list(setting) for setting in settings]}.map(([layers, boundary, x]) => {{
            move("layers", layers); move("boundary", boundary); move("input", x);
            return words();
        }});
        """,
    )
    line = np.linspace(-1, 1, 64 * 1001 + 1)  # every corner is one of its points
    for (layers, boundary, x), said in zip(settings, found, strict=True):

        def output(x, layers=layers):
            for layer in range(1, layers + 1):
                x = np.maximum(x, 0) + np.maximum(-x, 0) - 0.5**layer
            return x

        folded = output(line)
        pieces = 1 + np.count_nonzero(np.diff(np.sign(np.diff(folded))))
        changes = np.count_nonzero(np.diff(folded > boundary * 0.5**layers))
        level = output(x)
        touches = np.abs(folded - level) < 1e-4 / 2  # less than half a step of the line, whose slope is 1
        others = np.count_nonzero(np.diff(touches.astype(int), prepend=0) == 1) - 1
        numbers = [int(n) for n in re.findall(r"(\d+) (?:straight|time|other)", said)]
        assert numbers == [pieces, changes, others], said
        assert float(re.search(r"the output (-?[\d.]+),", said)[1]) == pytest.approx(level, abs=6e-4)


@in_a_browser
def test_the_softmax_widget_ends_with_the_sum_of_all_exponentials():
    got = browser.ask("online_softmax", HANDS + "move('scores read', 7); press('Next'); return texts();")
    scores = np.array([1, 3, 2, 5, 4.5, 0.5, 6, 2.5])
    assert f"s = {np.exp(scores - 6).sum():.3f}" in got and "m = 6.0" in got


@in_a_browser
def test_the_strides_widget_counts_lines_as_a_cache_of_three_lines_does():
    got = browser.ask(
        "strides",
        HANDS
        + """
        const ends = [];
        for (let view = 0; view < 4; view++) { choose("view", view); move("numbers read", 32); ends.push(texts()); }
        return ends.map((end) => end.find((text) => text.includes("lines fetched")));
        """,
    )
    assert got == [
        "32 numbers read, 8 lines fetched",
        "32 numbers read, 32 lines fetched",
        "16 numbers read, 8 lines fetched",
        "32 numbers read, 2 lines fetched",
    ]


@in_a_browser
def test_the_float_widget_reads_bits_as_numpy_does():
    got = browser.ask(
        "float_bits",
        HANDS
        + """
        const all = [];
        for (const bit of [0, 3, 9, 12, 2, 15, 4, 5]) {
            root.querySelectorAll("button[aria-label]")[bit].click();
            all.push([[...root.querySelectorAll("button[aria-label]")].map((e) => e.textContent).join(""), words()]);
        }
        return all;
        """,
    )
    for bits, words in got:
        expected = np.array(int(bits, 2), np.uint16).view(np.float16)
        said = re.match(r"float16: (-?[\d.]+)(?: · 10\^(-?\d+))?\.", words)
        assert float(said[1]) * 10 ** int(said[2] or 0) == pytest.approx(float(expected), rel=1e-6), words


@in_a_browser
def test_the_warp_widget_adds_as_shuffles_do():
    rows = browser.ask(
        "warp_shuffle",
        HANDS
        + """
        const rows = [];
        for (const kind of [0, 1]) {
            choose("shuffle", kind);
            move("steps", 5);
            rows.push([...root.querySelectorAll("svg text")].filter((e) => e.getAttribute("font-size") === "8.5")
                .map((e) => Number(e.textContent)));
        }
        return rows;
        """,
    )
    lanes = np.arange(32)
    others = (lambda step: np.where(lanes + step < 32, lanes + step, lanes), lambda step: lanes ^ step)
    for found, other in zip(rows, others, strict=True):
        expected = [lanes]
        for step in (16, 8, 4, 2, 1):
            expected.append(expected[-1] + expected[-1][other(step)])
        assert found == np.concatenate(expected).tolist()


@in_a_browser
def test_the_systolic_array_multiplies_and_hands_on():
    states = browser.ask(
        "systolic_array",
        HANDS
        + """
        const states = [];
        for (let step = 0; step <= 7; step++) {
            move("step", step);
            const of = (size) => [...root.querySelectorAll(`svg text[font-size="${size}"]`)].map((e) => e.textContent);
            states.push([of(15).map(Number), of(14).filter((text) => text.includes("·")), words()]);
        }
        return states;
        """,
    )
    a, b = np.array([[2, 1, 3], [4, 2, 1], [1, 3, 2]]), np.array([[1, 2, 4], [3, 1, 2], [2, 4, 1]])
    sums = np.zeros(9, int)
    for step, (shown, products, words) in enumerate(states):
        works = np.array([(m, n, step - 1 - m - n) for m in range(3) for n in range(3)])
        for unit, (m, n, k) in enumerate(works):
            sums[unit] += a[m, k] * b[k, n] if 0 <= k < 3 else 0
        busy = [f"{a[m, k]} · {b[k, n]}" for m, n, k in works if 0 <= k < 3]
        assert (shown, products) == (sums.tolist(), busy)
        assert step == 0 or words.startswith(f"Step {step}: {len(busy)} of 9")
    assert sums.tolist() == (a @ b).ravel().tolist()
