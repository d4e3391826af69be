"""The look of the admin: theme, charts, numbers into words."""
