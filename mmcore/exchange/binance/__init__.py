"""Binance Spot: signing, filters, protocol rules, REST, market streams and the WebSocket API."""
