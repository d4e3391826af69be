"""Why an item was shown, on the wire."""

from typing import Any

from rest_framework import serializers


class WhyArmSerializer(serializers.Serializer[Any]):
    arm = serializers.ChoiceField(choices=["learned", "uniform", "none"])
    because = serializers.ChoiceField(
        choices=["everybody", "share", "experiment"], help_text="Who decided the arm: nobody, the hash, a parameter."
    )
    unit = serializers.CharField(help_text="The id that the shares are cut by.")
    bucket = serializers.IntegerField(allow_null=True, help_text="Of the unit, from 0 to 9,999; null without the id.")
    none_below = serializers.IntegerField(help_text="Buckets below this never see the campaign.")
    uniform_below = serializers.IntegerField(help_text="Buckets from there to below this see every item alike.")


class WhyTableSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    segment = serializers.CharField(allow_blank=True)
    arm = serializers.CharField()
    policy = serializers.CharField()
    n_items = serializers.IntegerField()
    n_served = serializers.IntegerField(help_text="Without those that a budget or cap rests.")
    n_rows = serializers.IntegerField()


class WhySegmentSerializer(serializers.Serializer[Any]):
    by = serializers.CharField(allow_blank=True)
    asked = serializers.CharField(allow_blank=True)


class WhyFilterSerializer(serializers.Serializer[Any]):
    eligible = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    excluded = serializers.ListField(child=serializers.CharField(), help_text="By the request.")
    on_the_page = serializers.ListField(child=serializers.CharField(), help_text="By other campaigns before this one.")
    n_allowed = serializers.IntegerField()


class WhyFloorSerializer(serializers.Serializer[Any]):
    share = serializers.FloatField()
    drawn = serializers.FloatField(help_text="The coin of this trace, in [0, 1): below the share, a slot is drawn.")
    position = serializers.IntegerField(allow_null=True, help_text="Of the slot that was drawn at random.")
    instead_of = serializers.CharField(allow_blank=True, help_text="What the row had for it.")


class BelievedSerializer(serializers.Serializer[Any]):
    rank = serializers.IntegerField(allow_null=True, help_text="In the row, from 1.")
    score = serializers.FloatField(allow_null=True, help_text="What was drawn, with the pace of budgets.")
    mean = serializers.FloatField(allow_null=True, help_text="Of the posterior then.")
    low = serializers.FloatField(allow_null=True, help_text="95 % interval.")
    high = serializers.FloatField(allow_null=True)


class WhyStepSerializer(BelievedSerializer):
    item = serializers.CharField()
    position = serializers.IntegerField(allow_null=True, help_text="That the row gave it.")
    skipped = serializers.CharField(allow_blank=True, help_text="Why it got none while there were free ones.")


class WhySlotSerializer(BelievedSerializer):
    position = serializers.IntegerField()
    item_id = serializers.CharField()
    source = serializers.ChoiceField(choices=["table", "floor", "fresh"])  # type: ignore[assignment]
    propensity = serializers.FloatField()


class WhySerializer(serializers.Serializer[Any]):
    trace_id = serializers.CharField()
    campaign = serializers.CharField()
    scenario = serializers.CharField()
    at = serializers.DateTimeField()
    snapshot = serializers.IntegerField(allow_null=True)
    arm = WhyArmSerializer()
    table = WhyTableSerializer(allow_null=True, help_text="Null: the campaign filled no slot.")
    segment = WhySegmentSerializer(allow_null=True)
    row = serializers.IntegerField(allow_null=True)
    filter = WhyFilterSerializer(allow_null=True)
    merchant_cap = serializers.IntegerField(allow_null=True)
    floor = WhyFloorSerializer(allow_null=True)
    turned_by = serializers.IntegerField(allow_null=True, help_text="Places that a uniform row was turned by.")
    steps = WhyStepSerializer(many=True, help_text="The first 20 items of the row, and what was chosen further down.")
    slots = WhySlotSerializer(many=True, help_text="Given again.")
    logged = serializers.ListField(child=serializers.DictField(), help_text="As the decision log has them.")
    replays = serializers.BooleanField(help_text="Whether both are the same, to the last bit.")
    retraced_from = serializers.ChoiceField(choices=["snapshot", "tables"])
