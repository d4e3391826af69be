from django.apps import AppConfig


class SnapshotsConfig(AppConfig):
    name = "firstlight.snapshots"
    label = "snapshots"
