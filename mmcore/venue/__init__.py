"""A local exchange that speaks Binance's protocol: the bot's counterpart in demos and tests, and its witness.

It imports nothing else of mmcore, so that a fault of the bot cannot hide in shared code. The core (`exchange`,
`operations`, `rest`, `ws_api`, `streams`) is pure: bytes and times in, bytes out. `server` is the only shell that
touches sockets, `clock` the only caller of `time`.
"""
