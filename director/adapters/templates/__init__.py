"""Fills job templates: Jinja2 in this process, ERB in a Ruby worker beside it (bosh-director.md section 8.4)."""

from director.adapters.templates.renderer import TemplateRenderer

__all__ = ["TemplateRenderer"]
