"""Sphinx configuration. The pages build, and read, without a network."""

import twopass

project = "twopass"
author = "twopass developers"
copyright = author
release = twopass.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
add_module_names = False
default_role = "py:obj"
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"twopass {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0072B2",
        "color-brand-content": "#0072B2",
    },
    "dark_css_variables": {
        "color-brand-primary": "#56B4E9",
        "color-brand-content": "#56B4E9",
    },
}
html_static_path = ["_static"]
html_css_files = ["twopass.css"]
