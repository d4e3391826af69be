from django.apps import AppConfig


class LakeConfig(AppConfig):
    name = "firstlight.lake"
    label = "lake"
