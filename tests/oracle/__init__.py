"""The oracle test: after any edits a reloaded server is in the state that a fresh start gives.

``tree.py`` is the source of a project as data, ``project.py`` the projects, ``edits.py`` what happens to them,
``state.py`` what is observed, ``oracle.py`` the comparison.
"""
