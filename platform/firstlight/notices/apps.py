from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "firstlight.notices"
    label = "notices"
