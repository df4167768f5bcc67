"""What the two pages do in a real browser: Chromium, driven by Selenium. Not run where these are not installed.

The engine's thread calls its watchers after each step; a watcher that waits holds it, so that a test sees an answer
that is half written without looking at a clock.
"""

import shutil
import threading
from contextlib import contextmanager

import pytest

from tests.server.conftest import serving, until


@pytest.fixture(scope="module")
def chrome():
    pytest.importorskip("selenium", reason="not run: selenium is not installed")
    from selenium import webdriver

    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("not run: chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_window_size(1200, 900)
    yield Browser(browser)
    browser.quit()


class Browser:
    """What a reader does with a page, and sees of it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        self.driver.get(address)
        self.driver.get_log("browser")  # what other pages complained of

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        """What is seen of the last such element; "" for none. Asked of the page at once, since pages change."""
        script = "return [...document.querySelectorAll(arguments[0])].at(-1)?.innerText ?? ''"
        return self.driver.execute_script(script, selector)

    def sees(self, selector, text):
        until(lambda: text in self.text(selector))

    def click(self, selector):
        self.all(selector)[-1].click()

    def press(self, words):
        """The last button with these words."""
        until(lambda: [b for b in self.all("main button") if b.text == words])
        [b for b in self.all("main button") if b.text == words][-1].click()

    def type(self, selector, keys):
        self.all(selector)[-1].send_keys(keys)

    def set(self, **settings):
        self.click("#show-settings")
        for name, value in settings.items():
            self.all(f"#{name}")[0].clear()
            self.type(f"#{name}", value)
        self.click("#show-settings")

    def module(self, name, script, *arguments):
        """What a script returns that is given the exports of one of the pages' modules as `it`."""
        whole = f"""
            const [name, args, done] = arguments;
            import(name).then(async (it) => {{ {script} }}).then(done, (problem) => done(`${{problem}}`));"""
        return self.driver.execute_async_script(whole, f"/pages/{name}", arguments)

    @property
    def complaints(self):
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]


ENTER, SHIFT_ENTER, ESCAPE = "\ue007", "\ue008\ue007\ue008", "\ue00c"
SAID = "#messages li:last-child .said:not(.waits)"
FINISHED = "first after"
STORY = "Tell me a story about a dog."


@contextmanager
def steps(worker, count):
    """Let the engine take `count` steps meanwhile, and one more for each release of what is yielded."""
    allowed, over = threading.Semaphore(count), threading.Event()

    def wait(_):
        allowed.acquire()
        if over.is_set():
            allowed.release()

    worker.watchers.append(wait)
    try:
        yield allowed
    finally:
        over.set()
        allowed.release()
        until(lambda: not worker.engine.is_busy)
        worker.watchers.remove(wait)


@pytest.mark.slow
def test_events_are_read_however_they_are_cut(chrome, url):
    chrome.open(url)
    script = """
        const bytes = new TextEncoder().encode(args[0]);
        const stream = new ReadableStream({ start(controller) {
            for (let at = 0; at < bytes.length; at += args[1]) controller.enqueue(bytes.slice(at, at + args[1]));
            controller.close();
        }});
        const read = [];
        try {
            for await (const content of it.events(new Response(stream))) read.push(content.text);
        } catch (problem) { read.push(`${problem.message}`); }
        return read;"""
    text = ': a comment\n\ndata: {"text":"größer 🦙"}\n\ndata: {"text":"b\\n\\nc"}\n\n'
    said = ["größer 🦙", "b\n\nc"]
    for size in (1, 2, 7, 1000):
        assert chrome.module("api.js", script, text + "data: [DONE]\n\n", size) == said
        assert chrome.module("api.js", script, text, size) == [*said, "The server went away."]
        assert chrome.module("api.js", script, text + 'data: {"error":{"message":"no"}}\n\n', size) == [*said, "no"]


@pytest.mark.slow
def test_steps_tell_rows_that_read_from_rows_that_write(chrome, url):
    chrome.open(url)
    script = """
        const steps = new it.Steps();
        return args[0].map((step) => { steps.add(step); return steps.shown.turns.map((turn) => turn.reads); })
            .concat([steps.window(2).map((step) => step.step)]);"""

    def step(number, rows, length, written, ended=False):
        running = [] if ended else [dict(id=5, prompt=20, length=length, written=written)]
        return dict(step=number, turns=[dict(id=5, rows=rows, guessed=0)], running=running, waiting=[])

    told = [
        step(1, 19, 19, 0),  # a part of the prompt
        step(2, 1, 20, 1),  # its last row
        step(3, 1, 21, 2),  # the first token that was written
        step(4, 21, 21, 3),  # read again, after it had made room
        step(9, 1, 22, 4, ended=True),
    ]
    assert chrome.module("steps.js", script, told) == [[True], [True], [False], [True], [False], [4, 9]]
    anew = [*told, step(1, 20, 20, 1)]  # the server was started anew
    assert chrome.module("steps.js", script, anew)[-2:] == [[True], [1]]
    given_up = [*told[:2], told[1] | dict(running=[], turns=[])]  # told again: a text was given up after the step
    assert chrome.module("steps.js", script, given_up) == [[True], [True], [True], [1, 2]]


@pytest.mark.slow
def test_a_conversation_in_the_browser(chrome, url, worker):
    chrome.open(url)
    chrome.sees("#model", "mini")
    chrome.set(temperature="0", max_tokens="60")

    with steps(worker, 12):
        chrome.type("#prompt", STORY + ENTER)
        until(lambda: len(chrome.text(SAID)) > 5)  # the answer is streamed
        assert chrome.text("#messages li:last-child .actions") == ""
        chrome.type("#prompt", ESCAPE)
        chrome.sees(".note", "Stopped.")
    part = chrome.text(SAID)
    assert worker.engine.cache.pool.in_use == 0

    chrome.press("Regenerate")
    chrome.sees(".stats", FINISHED)
    assert "60 tokens" in chrome.text(".stats")
    assert chrome.text(SAID).startswith(part) and len(chrome.text(SAID)) > len(part)
    assert "Cut off" in chrome.text(".note")
    assert "of 2,048 tokens" in chrome.text("#context")

    chrome.press("Edit")
    chrome.type("#prompt", SHIFT_ENTER + "<img src=x onerror=alert(1)>" + ENTER)
    until(lambda: "img" in chrome.text(".user .said") and FINISHED in chrome.text(".stats"))
    assert chrome.text(".user .said") == STORY + "\n<img src=x onerror=alert(1)>"
    assert len(chrome.all("#messages li")) == 2 and not chrome.all("#messages img")
    before = chrome.text("#messages")
    chrome.driver.refresh()
    chrome.sees("#model", "mini")
    assert chrome.text("#messages") == before

    with steps(worker, 12):
        chrome.click("#new")
        chrome.type("#prompt", STORY + ENTER)
        until(lambda: chrome.text(SAID))
        part = chrome.text(SAID)
        chrome.driver.refresh()
        chrome.sees(".note", "The page was left")
        assert chrome.text(SAID).startswith(part)
    chrome.click("#conversations li:last-child .name")
    assert chrome.text("#messages") == before

    chrome.click("#conversations li:last-child .small")
    chrome.sees("#deleted", "is deleted")
    assert len(chrome.all("#conversations li")) == 1 and chrome.text("#messages") == ""
    chrome.click("#undo")
    assert chrome.text("#messages") == before
    assert chrome.complaints == []


@pytest.mark.slow
def test_what_goes_wrong_is_told_and_nothing_is_lost(chrome, model, monkeypatch):
    with serving(model, api_key="a key") as (url, worker):
        chrome.open(url)
        chrome.sees("#key-form", "asks for an API key")
        chrome.type("#key", "another" + ENTER)
        chrome.sees("#key-words", "the API key is missing or wrong")
        chrome.type("#key", "a key" + ENTER)
        chrome.sees("#model", "mini")

        chrome.set(temperature="5")
        chrome.type("#prompt", "Hello" + ENTER)
        chrome.sees(".note.bad", "temperature: ")
        chrome.set(temperature="0", max_tokens="30")

        with steps(worker, 8):
            chrome.press("Edit")
            chrome.type("#prompt", STORY + ENTER)
            until(lambda: chrome.text(SAID))

            def fails():
                raise RuntimeError("a kernel broke")

            monkeypatch.setattr(worker.engine, "step", fails)
        chrome.sees(".note.bad", "its log says why. What had arrived is kept.")
        assert chrome.text(SAID)
        monkeypatch.undo()

        script = chrome.driver.execute_script
        script(
            "for (let size = 2 ** 23, n = 0; size >= 1; )"
            "  try { localStorage.setItem(`fill${n++}`, 'x'.repeat(size)) } catch { size = Math.floor(size / 2) }"
        )
        chrome.type("#prompt", "What is a cow?" + ENTER)
        chrome.sees("#storage-notice", "its storage is full")
        chrome.sees(".stats", FINISHED)
        script(
            "for (const name of Object.keys(localStorage)) if (name.startsWith('fill')) localStorage.removeItem(name)"
        )
        chrome.type("#prompt", "What is a hen?" + ENTER)
        until(lambda: not chrome.text("#storage-notice") and FINISHED in chrome.text("#messages li:last-child"))
        told = chrome.text("#messages")
        chrome.driver.refresh()
        chrome.sees("#model", "mini")
        assert chrome.text("#messages") == told

        # Another tab has gone on with the conversation: neither tab's version is lost. Nor is what cannot be read.
        script(
            "const name = Object.keys(localStorage).find((name) => name.startsWith('llaisys_mini.conversation.'));"
            "localStorage.setItem(name, JSON.stringify({ ...JSON.parse(localStorage[name]), revision: 99 }));"
            "localStorage.setItem('llaisys_mini.conversation.bad', '{torn')"
        )
        chrome.type("#prompt", "What is a cat?" + ENTER)
        until(lambda: "(copy)" in chrome.text("#conversations") and FINISHED in chrome.text("#messages li:last-child"))
        chrome.driver.refresh()
        chrome.sees("#model", "mini")
        assert len(chrome.all("#conversations li")) == 3
        assert chrome.text("#conversations li:last-child .name").startswith("(cannot be read")
        assert script("return localStorage['llaisys_mini.conversation.bad']") == "{torn"


@pytest.mark.slow
def test_the_engine_in_the_browser(chrome, url, worker):
    chrome.open(url + "/engine")
    chrome.sees("#connection", "listening")
    running = worker.engine.scheduler.running
    with steps(worker, 5) as more:
        chrome.click("#demo")
        until(lambda: len(running) == 8 or (worker._commands.qsize() and more.release()))
        chrome.click("#newest")
        until(lambda: len(chrome.all("#requests tr")) == 8)
        assert chrome.text("#numbers div:nth-child(3) dd") == "8"
        assert chrome.all("#picture .hatch") and chrome.all("#picture .column")
        assert chrome.text("#pages .many").endswith("×")
        assert "writes with 1 row" in chrome.text("#step-words")
    chrome.sees("#demo-words", "The eight texts are written")
    until(lambda: chrome.text("#numbers div:nth-child(3) dd") == "0")
    last = chrome.text("#numbers div:first-child dd")
    assert len(chrome.all("#picture .column")) > 8  # texts that come and end take no step from the picture
    chrome.click("#back")
    chrome.sees("#mode", "paused, 1 behind the newest")
    chrome.click("#on")
    chrome.sees("#mode", "paused")
    assert chrome.text("#numbers div:first-child dd") == last
    assert chrome.complaints == []
