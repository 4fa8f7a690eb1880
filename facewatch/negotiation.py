"""Which form an answer takes."""

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class FirstIfNoneFits(DefaultContentNegotiation):
    """Answers in the form asked for, else in the view's first one.

    Pictures are asked for with `Accept: image/*`, and their refusals are JSON all the same (RFC 9110, 15.5.7, allows
    to disregard what cannot be honoured).
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        forms = list(renderers)
        try:
            chosen: Any = super().select_renderer(request, forms, format_suffix)
        except NotAcceptable:
            return forms[0], str(forms[0].media_type)
        renderer, media_type = chosen
        return renderer, media_type
