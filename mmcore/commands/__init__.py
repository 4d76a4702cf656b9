"""What `mmcore COMMAND` does beside running the bot: one module a command, each with a `main`."""
