from hypothesis import settings

pytest_plugins = ["model_fixtures"]

# A busy machine must not turn a slow example into a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
