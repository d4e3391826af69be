from django.apps import AppConfig


class ServingConfig(AppConfig):
    name = "firstlight.serving"
    label = "serving"
