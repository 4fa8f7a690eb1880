"""Query parameters narrow lists down, and nothing else."""

from typing import Any

from django_filters.rest_framework import DjangoFilterBackend


class ListsAlone(DjangoFilterBackend):
    """Applies a view's filters to its list: a single row is found by its id, whatever else is asked for."""

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        if view.action != "list":
            return queryset
        return super().filter_queryset(request, queryset, view)
