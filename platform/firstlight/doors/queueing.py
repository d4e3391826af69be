"""Work handed to the workers."""

from typing import Any

from celery import Task
from drf_spectacular.utils import extend_schema, inline_serializer
from kombu.exceptions import OperationalError
from rest_framework import serializers
from rest_framework.response import Response

from firstlight.doors.refusals import Unavailable

queued = extend_schema(
    request=None,
    responses={202: inline_serializer("Queued", {"status": serializers.ChoiceField(choices=["queued"])})},
)


def enqueue(task: "Task[Any, Any]", **about: Any) -> Response:
    """202 once the broker has it; refused with 503 while the broker is away."""
    try:
        task.apply_async(kwargs=about, retry=False)
    except OperationalError as error:
        raise Unavailable("The queue of the workers cannot be reached at the moment.") from error
    return Response({"status": "queued"}, status=202)
