"""One look for all figures of the course, and what more than one lecture draws.

    fig, axis = plots.figure(width=6)
    axis.plot(seconds, tokens)
    plots.show(fig, alt="Tokens rise in a straight line, 450 each second.")

Every figure is an opaque light card, which the browser turns dark on a dark page (theme.py). Colours are those of Okabe
& Ito (2008), which readers with any colour vision can tell apart.

Matplotlib is imported when the first figure is made, so that importing this file costs nothing.
"""

import base64
import io
from collections.abc import Callable
from html import escape

import numpy as np

from llaisys_mini.lectures import theme

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, YELLOW, BLACK = "#56B4E9", "#D55E00", "#F0E442", "#222222"
GREY = "#8A8A8A"
CARD = "#FBFBF8"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK, YELLOW)
"""In the order in which lines and classes take them."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Of the same classes: a figure must not rely on colour alone."""

PIXELS_PER_INCH = 96  # of a page; files hold half as many again, for sharp screens

STYLE = {
    "figure.facecolor": CARD,
    "axes.facecolor": CARD,
    "savefig.facecolor": CARD,
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": "#555555",
    "axes.labelcolor": BLACK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "text.color": BLACK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "image.cmap": "YlGnBu",  # from the card to dark, so that on a dark page, inverted, it is from the card to light
}


def figure(rows: int = 1, columns: int = 1, *, width: float = 8.0, height: float = 3.2, **subplots):
    """A figure of width x height inches (96 pixels each on a page) with rows x columns axes, as `Figure.subplots` gives
    them; further arguments are passed to it. pyplot is not involved, so nothing shows before `show`.
    """
    from cycler import cycler
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # For the whole session, not in a context: legends, titles and texts that the caller adds look it up later.
    rcParams.update({**STYLE, "axes.prop_cycle": cycler(color=COLOURS)})
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **subplots)


def show(fig, alt: str) -> None:
    """Display `fig` as a picture. `alt` says in one or two sentences what a reader sees in it, for those who cannot."""
    from IPython.display import display

    display(Picture(fig, alt))


class Picture:
    """A figure as a PNG inside an <img> with alt text: neither JupyterLab nor nbconvert keeps alt text of image/png.
    Raises ValueError where the text is empty."""

    def __init__(self, fig, alt: str):
        self.alt = " ".join(alt.split())
        if not self.alt:
            raise ValueError("a figure needs alt text: say in one or two sentences what it shows")
        self.width = round(fig.get_figwidth() * PIXELS_PER_INCH)
        self.png = _png(fig)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        source = f"data:image/png;base64,{base64.b64encode(self.png).decode()}"
        image = f'<img class="{theme.CARD}" alt="{escape(self.alt)}" width="{self.width}" src="{source}">'
        return {"text/html": theme.STYLE + image, "text/plain": f"[figure: {self.alt}]"}


def _png(fig) -> bytes:
    """The same bytes for the same figure: no version and no date inside. The card is opaque, so no transparency either,
    which saves a tenth."""
    from PIL import Image

    drawn, file = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=1.5 * PIXELS_PER_INCH)
    Image.open(drawn).convert("RGB").save(file, format="PNG", optimize=True)
    return file.getvalue()


def ink_on(image, value: float) -> str:
    """Black or white: what can be read where `image` (of `imshow`) shows `value`, or nothing since it is NaN."""
    if np.isnan(value):
        return BLACK
    red, green, blue, _ = image.cmap(image.norm(value))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"  # luma of Rec. 601


# ---- the plane of two inputs -------------------------------------------------------------------------------------


def plane(low: float, high: float, steps: int = 200) -> np.ndarray:
    """Points [steps * steps, 2] on a square grid from (low, low) to (high, high), float32."""
    line = np.linspace(low, high, steps, dtype=np.float32)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def draw_regions(axis, classify: Callable[[np.ndarray], np.ndarray], low: float, high: float, steps: int = 200) -> None:
    """Colour the square from (low, low) to (high, high) by class. classify: points [N, 2] -> class numbers [N]."""
    from matplotlib.colors import ListedColormap

    classes = np.asarray(classify(plane(low, high, steps))).reshape(steps, steps)
    axis.imshow(
        classes, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=len(COLOURS) - 0.5, alpha=0.22,
        extent=(low, high, low, high), origin="lower", interpolation="nearest",
    )  # fmt: skip
    axis.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")


def draw_points(axis, points: np.ndarray, classes: np.ndarray, size: float = 24, names: tuple[str, ...] = ()) -> None:
    """Labelled points: colour and marker tell the class. points [N, 2], classes [N] of whole numbers from 0."""
    for number in np.unique(classes):
        axis.scatter(
            *points[classes == number].T, s=size, color=COLOURS[number], marker=MARKERS[number],
            edgecolor="white", linewidth=0.6, zorder=3, label=names[number] if names else None,
        )  # fmt: skip
