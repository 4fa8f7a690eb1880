"""Icons in templates."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

#: The sprite that holds them all; `static/vendor/README.md` says how one is added.
SPRITE = "vendor/lucide-1.62.0/icons.svg"


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return one icon of the sprite, in the size and colour of the text around it; screen readers pass it over."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static(SPRITE),
        name,
    )
