"""Sphinx's settings for the site. build.py calls Sphinx with them.

Everything a page needs comes with the site: no font, script or picture is fetched from elsewhere.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent

project = "llaisys_mini"
html_title = "llaisys_mini"
copyright = "llaisys_mini authors: code under the MIT licence, text under CC-BY-4.0"
language = "en"
extensions = ["myst_nb", "sphinx.ext.githubpages"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_made"]
suppress_warnings = ["myst.header"]  # a page may begin below the first level, as the changelog's parts do

# ---- Markdown and notebooks --------------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "amsmath", "html_image", "colon_fence"]
myst_dmath_allow_space = False
myst_dmath_allow_digits = False
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"

# ---- formulas ----------------------------------------------------------------------------------------------------

mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {
    "options": {"enableMenu": False, "ignoreHtmlClass": "tex2jax_ignore|mathjax_ignore|document"},
    "svg": {"fontCache": "global", "scale": 0.92},
}

# ---- appearance --------------------------------------------------------------------------------------------------

html_theme = "furo"
html_static_path = [str(HERE / "static"), str(HERE.parents[1] / "build" / "site-work" / "pages" / "_made")]
html_css_files = ["site.css", "figures.css"]
html_js_files = [(file, {"defer": "defer"}) for file in ("course_map.js", "search.js")]
html_favicon = str(HERE / "static" / "icon.svg")
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0062A0"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#7CC4EE"},
}
