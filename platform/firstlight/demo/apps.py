from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "firstlight.demo"
    label = "demo"
