"""Every command on an experiment as a POST; what it refuses is a 409 in its words."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import lifecycle, preview_links
from experiments.api import bodies
from experiments.lifecycle import checklist
from experiments.models import Experiment
from experiments.serializers import ExperimentSerializer, StageSerializer
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource
from firstlight.doors.refusals import Conflict


class CheckSerializer(serializers.Serializer[checklist.Item]):
    key = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in checklist.State])
    sentence = serializers.CharField()


class ChecklistSerializer(serializers.Serializer[dict[str, Any]]):
    may_start = serializers.BooleanField(help_text="Nothing fails.")
    items = CheckSerializer(many=True)


class RampSerializer(serializers.Serializer[dict[str, Any]]):
    coverage = serializers.FloatField(help_text="Now in force.")
    stages = StageSerializer(many=True)


Door = TypeVar("Door", bound=Callable[..., Response])


def step(name: str, *, takes: Any = None) -> Callable[[Door], Door]:
    """A POST under this name that answers with the experiment as it is then."""

    def door(method: Door) -> Door:
        described = extend_schema(request=takes, responses=ExperimentSerializer)(method)
        made: Any = action(detail=True, methods=["post"], url_path=name, url_name=name)(described)
        return cast("Door", made)

    return door


class Steps(Resource):
    @step("submit")
    def submit(self, request: Request, key: str) -> Response:
        """Asks for a review; the plan stands still until it is given."""
        return self._run(lifecycle.submit)

    @step("approve", takes=bodies.Noted)
    def approve(self, request: Request, key: str) -> Response:
        """Lets it start; where a scenario asks for a review, by somebody who neither owns nor submitted it."""
        return self._run(lifecycle.approve, bodies.Noted)

    @step("return", takes=bodies.Noted)
    def return_to_draft(self, request: Request, key: str) -> Response:
        """Gives the plan back to be changed."""
        return self._run(lifecycle.return_to_draft, bodies.Noted)

    @step("schedule", takes=bodies.Scheduled)
    def schedule(self, request: Request, key: str) -> Response:
        """Lets the clock start it, and holds its buckets from now on."""
        return self._run(lifecycle.schedule, bodies.Scheduled)

    @step("start")
    def start(self, request: Request, key: str) -> Response:
        """Lets units in, from the next snapshot on."""
        return self._run(lifecycle.start)

    @step("pause")
    def pause(self, request: Request, key: str) -> Response:
        """Serves nobody its arms until it is resumed; its buckets stay its own."""
        return self._run(lifecycle.pause)

    @step("resume")
    def resume(self, request: Request, key: str) -> Response:
        """Goes on in the same phase, every unit in the arm it had."""
        return self._run(lifecycle.resume)

    @step("stop")
    def stop(self, request: Request, key: str) -> Response:
        """Lets no unit in any more and frees its buckets."""
        return self._run(lifecycle.stop)

    @step("decide", takes=bodies.Decided)
    def decide(self, request: Request, key: str) -> Response:
        """Closes the record: what was decided, and why."""
        return self._run(lifecycle.decide, bodies.Decided)

    @step("ship", takes=bodies.Shipped)
    def ship(self, request: Request, key: str) -> Response:
        """Decides for an arm; the only treatment needs no name."""
        return self._run(lifecycle.ship, bodies.Shipped)

    @step("archive")
    def archive(self, request: Request, key: str) -> Response:
        """Out of the way, with all that was found."""
        return self._run(lifecycle.archive)

    @step("weights", takes=bodies.Weights)
    def weights(self, request: Request, key: str) -> Response:
        """Deals all units anew with these shares: the next phase."""
        return self._run(lifecycle.change_weights, bodies.Weights)

    @step("remove_arm", takes=bodies.RemovedArm)
    def remove_arm(self, request: Request, key: str) -> Response:
        """Goes on without an arm: the next phase."""
        return self._run(lifecycle.remove_arm, bodies.RemovedArm)

    @step("testers", takes=bodies.Testers)
    def testers(self, request: Request, key: str) -> Response:
        """Who always sees which arm, and is never counted; these take the place of those there were."""
        return self._run(lifecycle.force, bodies.Testers)

    @extend_schema(request=bodies.Previewed, responses=bodies.PreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, key: str) -> Response:
        """A signed link that forces an arm for a while on whoever has it. Nothing is stored."""
        asked = self._body(bodies.Previewed)
        try:
            made = preview_links.make(self.get_object(), asked["arm"], timezone.now(), timedelta(hours=asked["hours"]))
        except lifecycle.Unable as refusal:
            raise Conflict(str(refusal)) from refusal
        link = request.build_absolute_uri(made.address)
        return Response(bodies.PreviewSerializer({"forced": made.token, "until": made.until, "link": link}).data)

    @extend_schema(request=bodies.Copied, responses={201: ExperimentSerializer})
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, key: str) -> Response:
        """The plan alone, as a draft under another key."""
        made = self._done(lifecycle.copy, self._body(bodies.Copied))
        return Response(self.get_serializer(self.get_queryset().get(pk=made.pk)).data, status=201)

    @extend_schema(responses=RampSerializer)
    @action(detail=True, methods=["get"])
    def ramp(self, request: Request, key: str) -> Response:
        """The stages in order, and what the gate of each has seen."""
        experiment = self.get_object()
        return Response(RampSerializer({"coverage": experiment.coverage, "stages": experiment.ramp.all()}).data)

    @extend_schema(request=bodies.Ramped, responses=ExperimentSerializer)
    @ramp.mapping.post
    def ramp_on(self, request: Request, key: str) -> Response:
        """Covers more now ({"coverage": 0.5}), or steps along the plan ({"action": "advance"} or "roll_back")."""
        asked = self._body(bodies.Ramped)
        if "coverage" in asked:
            return self._answer(lifecycle.ramp_to, asked)
        command = lifecycle.advance if asked.pop("action") == "advance" else lifecycle.roll_back
        return self._answer(command, asked)

    @extend_schema(responses=ChecklistSerializer)
    @action(detail=True, methods=["get"])
    def checklist(self, request: Request, key: str) -> Response:
        """What is in order before a start and what is not: computed now, never ticked."""
        items = checklist.of(self.get_object(), timezone.now())
        may_start = all(item.state is not checklist.State.FAIL for item in items)
        return Response(ChecklistSerializer({"may_start": may_start, "items": items}).data)

    def _run(self, command: Any, takes: type[serializers.Serializer[Any]] = bodies.Nothing) -> Response:
        return self._answer(command, self._body(takes))

    def _body(self, takes: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        body = takes(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def _answer(self, command: Any, asked: dict[str, Any]) -> Response:
        self._done(command, asked)
        return Response(self.get_serializer(self.get_object()).data)

    @transaction.atomic
    def _done(self, command: Any, asked: dict[str, Any]) -> Experiment:
        """What the command made or changed; of experiments that this key may change alone."""
        experiment = self.get_object()
        try:
            done: Experiment = command(experiment.pk, actor=actor(self.request), at=timezone.now(), **asked)
        except lifecycle.Unable as refusal:
            raise Conflict(str(refusal)) from refusal
        return done
