from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "firstlight.events"
    label = "events"
