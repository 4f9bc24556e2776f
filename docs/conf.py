"""How Sphinx makes the site. `make site` copies this file beside the pages it has written."""

project = "Learning without backpropagation"
html_title = "FFCL companion"
extensions = ["myst_nb", "ffcl_utils.site.equations"]
html_math_renderer = "mathml"
root_doc = "index"
exclude_patterns = ["_static"]

nb_execution_mode = "off"
nb_output_stderr = "remove"
nb_code_prompt_show = "Code: {type}"
nb_code_prompt_hide = "Hide the code: {type}"
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_disable_syntax = ["html_block", "html_inline"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["claims.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # it is fetched, which pages from the file system cannot
html_theme_options = {
    "logo": {"text": "FFCL companion"},
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    # The tables of all claims and of all rules take the whole width.
    "secondary_sidebar_items": {"**": ["page-toc"], "claims": [], "neighbours": []},
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 4,
}
html_context = {"default_mode": "auto"}
