from hypothesis import settings

settings.register_profile("appliance", deadline=None, print_blob=True)
settings.load_profile("appliance")
