"""Figures: light to import, the same bytes each time, never without alt text, and in colours that can be told apart."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from llaisys_mini import plots
from llaisys_mini.lectures import theme


def draw():
    fig, axis = plots.figure(width=3, height=2)
    axis.plot([0, 1], [1, 0])
    return fig


def test_importing_plots_does_not_import_matplotlib():
    check = "import sys, llaisys_mini.lectures.plots; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_picture_carries_its_alt_text_and_width_and_is_escaped():
    bundle = plots.Picture(draw(), alt='x < 1 &\n  "quoted"')._repr_mimebundle_()
    assert 'alt="x &lt; 1 &amp; &quot;quoted&quot;"' in bundle["text/html"]
    assert 'width="288"' in bundle["text/html"]
    assert bundle["text/plain"] == '[figure: x < 1 & "quoted"]'


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_picture_without_alt_text_is_refused(alt):
    with pytest.raises(ValueError, match="alt text"):
        plots.Picture(draw(), alt=alt)


def test_the_same_figure_gives_the_same_bytes():
    assert plots.Picture(draw(), alt="a line").png == plots.Picture(draw(), alt="a line").png


def test_plane_covers_the_square():
    points = plots.plane(-1, 2, steps=4)
    assert points.shape == (16, 2) and points.dtype == np.float32
    assert points.min() == -1 and points.max() == 2
    assert len(np.unique(points, axis=0)) == 16


def test_regions_and_points_are_drawn_where_they_belong():
    _, axis = plots.figure()
    plots.draw_regions(axis, lambda points: points[:, 0] > 0, -1, 1, steps=10)
    (image,) = axis.get_images()
    assert (np.asarray(image.get_array())[:, :5] == 0).all() and (np.asarray(image.get_array())[:, 5:] == 1).all()
    plots.draw_points(axis, np.array([[0.0, 0.5], [0.5, 0.0]]), np.array([0, 1]), names=("a", "b"))
    assert [collection.get_offsets().tolist() for collection in axis.collections] == [[[0, 0.5]], [[0.5, 0]]]


def test_ink_on_an_image_is_white_on_dark_and_black_on_light_colours():
    _, axis = plots.figure()
    image = axis.imshow(np.array([[0.0, 1.0], [np.nan, 0.5]]))
    assert [plots.ink_on(image, value) for value in (0.0, 1.0, np.nan)] == ["black", "white", plots.BLACK]
    image.set_cmap("YlGnBu_r")
    assert [plots.ink_on(image, value) for value in (0.0, 1.0)] == ["white", "black"]


# What the browser does to a colour on a dark page: hue-rotate(180deg) as a matrix (Filter Effects Module, W3C).
HALF_A_TURN = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])


def as_it_is(colour):
    return np.array(to_rgb(colour))


def on_a_dark_page(colour):
    inverted = 1 - theme.INVERSION + (2 * theme.INVERSION - 1) * (1 - as_it_is(colour))
    return np.clip(HALF_A_TURN @ inverted, 0, 1)


def luminance(rgb):
    return np.dot([0.2126, 0.7152, 0.0722], np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4))


@pytest.mark.parametrize("shown", [as_it_is, on_a_dark_page])
def test_text_and_lines_stand_out_from_the_card(shown):
    """Contrast of at least 4.5 for text and 3 for lines (Web Content Accessibility Guidelines 2.2), save for the light
    colours, which fill areas."""

    def contrast(colour):
        darker, lighter = sorted(luminance(shown(c)) + 0.05 for c in (colour, plots.CARD))
        return lighter / darker

    for colour in (plots.BLACK, "#555555"):
        assert contrast(colour) > 4.5, colour
    for colour in (plots.BLUE, plots.VERMILION, plots.GREEN, plots.GREY):
        assert contrast(colour) > 3, colour


def test_the_card_is_light_and_becomes_dark():
    assert luminance(as_it_is(plots.CARD)) > 0.9
    assert luminance(on_a_dark_page(plots.CARD)) < 0.01
