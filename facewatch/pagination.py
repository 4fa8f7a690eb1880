"""Pages of lists that stay right while rows come in: by cursor, newest first."""

from typing import Any

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Pages of 50, or of `page_size` up to 200. A view may name another order in its `ordering`."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = ("-created_at", "-id")

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """Return the view's order, whose first field is the cursor's position."""
        return tuple(getattr(view, "ordering", self.ordering))
