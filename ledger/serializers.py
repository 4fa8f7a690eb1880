"""The JSON of what is paused."""

from typing import Any

from rest_framework import serializers


class PausedSerializer(serializers.Serializer[Any]):
    """Something that is paused: since when, by whom, and why (empty if nobody said)."""

    subject = serializers.CharField()
    name = serializers.CharField()
    paused_at = serializers.DateTimeField(source="since")
    paused_by = serializers.CharField(source="by")
    reason = serializers.CharField()


class PauseRequestSerializer(serializers.Serializer[Any]):
    """Why something is paused; those who are refused are told."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
