"""The one way in: bytes -> events or reasons (pure) -> PostgreSQL inbox -> lake."""
