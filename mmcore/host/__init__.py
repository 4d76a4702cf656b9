"""The threaded host: threads, sockets and time around the engine, which has none of them."""
