"""Strategies in Python: what one is (`base`), what it sees (`view`), those that come with mmcore, and loading one."""
