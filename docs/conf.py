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
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = f"twopass {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {"**": ["pages"]}
html_theme_options = {
    "logo": {"text": "twopass"},
    "navbar_center": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_static_path = ["_static"]
html_css_files = ["twopass.css"]
