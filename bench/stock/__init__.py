"""A stock Django project on the product's tables, in a process of its own: none of the product's code runs in it.

Sessions, sign-in, CSRF and messages are Django's. What it costs is what the framework costs.
"""
